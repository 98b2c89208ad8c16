"""The page for hands without a mouse, for eyes that need contrast, and for small screens."""

from pathlib import Path

import pytest

from headframe.runtime.events import EventRing
from tests.fakes.browser import Tab
from tests.fakes.pages import TOKEN, happen, opened, until, words

pytestmark = pytest.mark.slow

NAMES = "#rigs-table tbody td:first-child"
HERE = "document.activeElement"
LACKING = """[...document.querySelectorAll('button, input, select, a, [tabindex]')]
    .filter(each => each.checkVisibility())
    .filter(each => (each.tabIndex !== 0 && !each.matches('main, section')) ||
        !(each.innerText || each.ariaLabel || each.labels?.length || each.value ||
          each.ariaLabelledByElements?.length || each.matches('main')))
    .map(each => each.outerHTML)"""
FAINT = """(() => {
    const parse = text => { const all = text.match(/[\\d.]+/g).map(Number);
        return [...all.slice(0, 3), all[3] ?? 1]; };
    const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3]));
    const ground = each => {
        const own = parse(getComputedStyle(each).backgroundColor);
        if (own[3] === 1 || !each.parentElement) return own;
        return [...over(own, ground(each.parentElement)), 1];
    };
    const light = colour => colour.slice(0, 3).map(value => value / 255)
        .map(value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
    const seen = each => each.checkVisibility() && !each.disabled && !each.matches('option') &&
        [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    return [...document.body.querySelectorAll('*')].filter(seen).map(each => {
        const under = ground(each);
        const top = over(parse(getComputedStyle(each).color), under);
        const [a, b] = [light(top), light(under)].sort((x, y) => y - x);
        return [(a + 0.05) / (b + 0.05), each.outerHTML.slice(0, 120)];
    });
})()"""
"""The contrast of each text that is seen, by the formula of WCAG 2."""


async def focus_is_in(tab: Tab, selector: str) -> None:
    await until(tab, f"{HERE}.closest({selector!r}) !== null")


async def test_a_rig_is_found_opened_and_left_by_keys_alone(tmp_path: Path):
    async with opened(tmp_path, 50) as (tab, _):
        await until(tab, f"{words(NAMES)}.length === 50")
        await tab.press("Tab")
        assert await tab(f"{HERE}.innerText") == "Skip to the figures"
        await tab.press("Enter")
        await until(tab, f"{HERE}.id === 'main'")
        await tab.press("/")
        await until(tab, f"{HERE}.id === 'rigs-search'")
        await tab.type("rig0001")
        await until(tab, f"{words(NAMES)}.length === 9")
        await tab.press("ArrowDown")
        await focus_is_in(tab, "#rigs-table tbody tr:first-child")
        await tab.press("j", "ArrowDown", "k")
        await focus_is_in(tab, "#rigs-table tbody tr:nth-child(2)")
        name = await tab(f"{HERE}.innerText")
        await tab.press("Enter")
        await until(tab, "document.getElementById('rig').open")
        assert await tab("document.getElementById('rig-title').innerText") == name
        await tab.press("Escape")
        await until(tab, f"!document.getElementById('rig').open && {HERE}.innerText === {name!r}")
        await tab.press("/", "Escape")
        await until(tab, f"{words(NAMES)}.length === 50")
        await tab.press("Escape")
        await until(tab, f"{HERE} === document.body")


async def test_the_focus_follows_its_rig_through_the_table(tmp_path: Path):
    async with opened(tmp_path, 50) as (tab, _):
        await until(tab, f"{words(NAMES)}.length === 50")
        await tab.press("j", "j", "j")
        name = await tab(f"{HERE}.innerText")
        await tab(
            "{ const sort = document.getElementById('rigs-sort'); sort.value = 'name';"
            " sort.dispatchEvent(new Event('change')); }"
        )
        await until(tab, f"{words(NAMES)}[0] === 'farm.rig00000'")
        assert await tab(f"{HERE}.innerText") == name


async def test_the_focus_stays_in_a_dialog_and_comes_back(tmp_path: Path):
    async with opened(tmp_path, place="#rig=farm.rig00000") as (tab, desk):
        kick = "document.querySelector('#rig-kick:not([hidden]):enabled')"
        await until(tab, f"{kick} !== null")
        for _ in range(20):
            await tab.press("Tab")
            await focus_is_in(tab, "#rig")
        await tab(f"{kick}.focus()")
        await tab.press("Enter")
        await until(tab, f"{HERE}.id === 'ask-token'")
        for _ in range(7):
            await tab.press("Tab", shift=True)
            await focus_is_in(tab, "#ask")
        await tab("document.getElementById('ask-token').focus()")
        await tab.type(TOKEN)
        await tab.press("Enter")
        await until(tab, "!document.getElementById('toast').hidden")
        await until(tab, f"{HERE}.id === 'rig-kick'")
        await tab.press("Escape")
        await until(tab, "document.querySelector('dialog[open]') === null")
    assert [name for name, _ in desk.asked] == ["kick"]


async def test_the_keys_are_told_and_do_what_is_told(tmp_path: Path):
    async with opened(tmp_path, 10_000) as (tab, _):
        await until(tab, f"{words(NAMES)}.length === 50")
        await tab.press("?", shift=True)
        await until(tab, "document.getElementById('keys').open")
        told = await tab("document.getElementById('keys').innerText")
        assert "find a rig" in told
        await tab.press("Escape")
        await until(tab, "document.querySelector('dialog[open]') === null")
        place = "document.getElementById('rigs-place').innerText"
        await tab.press("n")
        await until(tab, f"{place}.startsWith('51 to 100')")
        await tab.press("p")
        await until(tab, f"{place}.startsWith('1 to 50')")
        for key, section in (("r", "rigs"), ("u", "pools"), ("b", "blocks")):
            await tab.press(key)
            await until(tab, f"{HERE}.id === {section!r}")
        await tab.press("t")
        assert await tab("document.documentElement.dataset.theme") == "light"


async def test_a_chart_is_read_by_keys(tmp_path: Path):
    reading = "document.querySelector('#chart .reading').innerText"
    async with opened(tmp_path) as (tab, _):
        await until(tab, "document.querySelector('#chart .plot').ariaLabel.includes('1 PH/s')")
        await tab("document.querySelector('#spans button:nth-child(2)').click()")
        await until(tab, f"{reading} === 'mean of the time shown: 1 PH/s'")
        await tab("document.querySelector('#chart .plot').focus()")
        await tab.press("Home")
        await until(tab, f"/: 1 PH.s$/.test({reading})")
        first = await tab(reading)
        await tab.press("ArrowRight")
        await until(tab, f"{reading} !== {first!r}")


async def test_all_that_can_be_used_can_be_reached_by_keyboard_and_has_a_name(tmp_path: Path):
    async with opened(tmp_path, 50) as (tab, _):
        await until(tab, f"{words(NAMES)}.length === 50")
        assert await tab(LACKING) == []
        await tab("location.hash = '#rig=farm.rig00002'")
        await until(tab, f"{words('#rig-table tbody tr')}.length === 1")
        await tab("document.getElementById('rig-ban').click()")
        assert await tab(LACKING) == []


async def test_what_has_the_focus_can_be_seen(tmp_path: Path):
    async with opened(tmp_path) as (tab, _):
        await until(tab, f"{words(NAMES)}.length === 1")
        seen = f"getComputedStyle({HERE}).outlineStyle"
        for _ in range(30):
            await tab.press("Tab")
            if await tab(f"{HERE} !== document.body"):
                assert await tab(seen) != "none", await tab(f"{HERE}.outerHTML")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_all_words_have_contrast_enough(tmp_path: Path, scheme: str):
    ring = EventRing()
    for level in ("info", "warning", "error"):
        happen(ring, level, "source_lost", source="first")
    async with opened(tmp_path, 50, ring=ring) as (tab, _):
        await tab.prefer(color_scheme=scheme, reduced_motion="reduce")
        await until(tab, f"document.documentElement.dataset.theme === {scheme!r}")
        await until(tab, f"{words('#events-table tbody tr')}.length === 3")
        await until(tab, f"{words(NAMES)}.length === 50")
        told = await tab(FAINT)
        assert len(told) > 400
        assert [each for each in told if each[0] < 4.5] == []
        await tab("document.getElementById('keys-open').click()")
        assert [each for each in await tab(FAINT) if each[0] < 4.5] == []


async def test_a_theme_can_be_chosen_and_is_remembered(tmp_path: Path):
    theme = "document.documentElement.dataset.theme"
    async with opened(tmp_path) as (tab, _):
        for scheme in ("dark", "light"):
            await tab.prefer(color_scheme=scheme)
            await until(tab, f"{theme} === {scheme!r}")
        for chosen in ("light", "dark"):
            await tab("document.getElementById('theme').click()")
            assert await tab(theme) == chosen
        await tab.call("Page.reload")
        await until(tab, f"document.querySelector('#rigs-states button') && {theme} === 'dark'")
        assert await tab("document.getElementById('theme').innerText") == "Theme: dark"


async def test_nothing_moves_where_that_is_not_wanted(tmp_path: Path):
    moving = """[...document.querySelectorAll('*')].map(each => getComputedStyle(each)).filter(
        each => each.scrollBehavior === 'smooth' || each.transitionDuration !== '0s' ||
            each.animationName !== 'none').length"""
    async with opened(tmp_path) as (tab, _):
        await tab.prefer(reduced_motion="reduce")
        assert await tab(moving) == 0


@pytest.mark.parametrize("width", [360, 420, 768, 1280])
async def test_nothing_is_wider_than_the_screen(tmp_path: Path, width: int):
    ring = EventRing()
    happen(ring, "warning", "block_lost", hash="00ab" * 16, why="x" * 200)
    over = """[...document.querySelectorAll('body *')].filter(each => each.checkVisibility() &&
        each.getBoundingClientRect().right > innerWidth + 1 && !each.closest('.scroll, .skip'))
        .map(each => each.outerHTML.slice(0, 100))"""
    async with opened(tmp_path, 50, ring=ring) as (tab, _):
        await tab.resize(width)
        await until(tab, f"{words(NAMES)}.length > 10 && {words('#events-table tr')}.length > 1")
        await until(tab, "document.querySelector('#chart canvas') !== null")
        await until(tab, f"{over}.length === 0")
        assert await tab("document.documentElement.scrollWidth <= innerWidth") is True
        await tab("location.hash = '#rig=farm.rig00002'")
        await until(tab, f"{words('#rig-table tbody tr')}.length === 1")
        assert await tab("document.documentElement.scrollWidth <= innerWidth") is True
        assert await tab("rig.scrollWidth <= rig.clientWidth") is True
