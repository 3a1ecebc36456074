"""The console in a real browser, served by a real server that runs real jobs."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_server import LONG, ApiServer, running
from browser import Tab, chromium
from playwright.sync_api import Browser, Page, expect

from polargen.api.routes.console import FOLDER

TOKEN = "correct-horse-battery-staple"
PHONE = {"width": 360, "height": 780}
REFUSED = "Failed to load resource: the server responded with a status of 401 (Unauthorized)"
Open = Callable[..., Tab]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with running(tmp_path_factory.mktemp("console"), "--workers", "1") as server:
        yield server


@pytest.fixture(scope="module")
def kept(server: ApiServer) -> str:
    """A finished job whose files are there: ten days, verified."""
    return server.finished("anomaly-heavy", dryRun=False, verify=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def tab(server: ApiServer, browser: Browser) -> Iterator[Open]:
    """Open tabs; at the end none has complained, and none has asked another host."""
    tabs: list[Tab] = []

    def opened(path: str = "/", url: str = server.url, **more: Any) -> Tab:
        tabs.append(Tab(browser, url, **more))
        tabs[-1].page.goto(path)
        return tabs[-1]

    yield opened
    for one in tabs:
        one.close()
        assert one.complaints == []
        assert len(one.hosts) == 1, one.hosts


def fill_in(page: Page, scenario: str, last_day: str, mode: str, **more: str) -> None:
    """Choose what to run, from 1 January 2024 on."""
    page.get_by_role("radio", name=re.compile(f"^{scenario}")).check()
    page.get_by_label("First day").fill("2024-01-01")
    page.get_by_label("Last day").fill(last_day)
    for name, value in more.items():
        page.locator(f"input[name={name}]").fill(value)
    page.get_by_role("radio", name=mode, exact=True).check(force=True)  # its text lies over it


def number(text: str | None) -> int:
    assert text is not None
    return int(text.replace(",", ""))


def figure(page: Page, label: str) -> str:
    """Return the number that stands below a label."""
    found = page.locator(".figures > div", has=page.get_by_text(label, exact=True)).locator("dd")
    return found.inner_text()


def ink(page: Page, position: int) -> int:
    """Return how many colours a chart's canvas shows."""
    colours: int = (
        page.locator(".canvas canvas")
        .nth(position)
        .evaluate(
            """canvas => {
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const seen = new Set();
            for (let n = 0; n < data.length; n += 4) {
                if (data[n + 3] === 255) seen.add(data.slice(n, n + 3).join());
            }
            return seen.size;
        }"""
        )
    )
    return colours


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return wide


def test_run__goes_from_the_form_to_charts(tab: Open, server: ApiServer) -> None:
    page = tab().page
    fill_in(page, "anomaly-heavy", "2024-01-31", "Files", seed="99")
    page.get_by_label("Verify every rule").check()
    expect(page.locator(".plan")).to_have_attribute("aria-busy", "false")
    planned = number(page.locator(".plan .figures dd").first.inner_text())
    page.get_by_role("button", name="Make files").click()

    page.wait_for_url(re.compile(r"#job-\w+$"))
    expect(page.locator("h1 .status")).to_have_text("Done")
    job = page.url.partition("#")[2]
    found = server.status(job)
    config = {"scenario": "anomaly-heavy", "startDate": "2024-01-01", "endDate": "2024-01-31",
              "seed": 99, "dryRun": False, "target": "files", "verify": True}  # fmt: skip
    assert config.items() <= found["config"].items()
    made = number(figure(page, "Rows"))
    assert made == sum(found["result"]["recordCounts"].values())
    assert abs(made - planned) < planned / 10

    expect(page.locator('.canvas[data-drawn="true"]')).to_have_count(4)
    assert [ink(page, chart) > 2 for chart in range(4)] == [True] * 4
    legend = page.locator(".chart", has_text="Orders a day").locator(".legend")
    shown = sum(number(text) for text in legend.locator(".value").all_inner_texts())
    assert shown == found["result"]["recordCounts"]["orders"]

    page.get_by_role("tab", name="Verification").click()
    rules = server.get(f"/jobs/{job}/verification").json()["rules"]
    expect(page.locator(".verdict")).to_contain_text(f"{len(rules)} of {len(rules)} rules hold")
    page.reload()
    expect(page.locator("h1")).to_contain_text("anomaly-heavy")
    expect(page.locator(".history a[aria-current=page]")).to_have_attribute("href", f"#{job}")


def test_dry_run__can_be_kept_with_the_same_seed(tab: Open, server: ApiServer) -> None:
    page = tab(f"/#{server.finished(seed=4321)}").page
    expect(page.get_by_text("nothing was kept")).to_be_visible()
    page.get_by_role("button", name="Make files of it").click()
    expect(page.locator("#seed")).to_have_value("4321")
    expect(page.get_by_role("radio", name="Files")).to_be_checked()


def test_running_job__shows_its_progress_and_is_cancelled(tab: Open, server: ApiServer) -> None:
    job = server.start(**LONG)
    page = tab(f"/#{job}").page
    expect(page.locator(".entities")).to_contain_text(re.compile(r"[1-9][\d,]* of [\d,]{6,}"))
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", re.compile("[1-9]"))
    assert re.match("[1-9]", figure(page, "Rows a second"))
    assert re.search(r"\d (s|min)", figure(page, "Time left"))

    page.get_by_role("button", name="Cancel run").click()
    page.keyboard.press("Escape")
    assert server.status(job)["status"] not in ("cancelled", "failed")
    page.get_by_role("button", name="Cancel run").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel run").click()
    expect(page.get_by_text("This run was cancelled")).to_be_visible()
    assert server.status(job)["status"] == "cancelled"


def test_progress__goes_on_where_the_stream_broke(tab: Open, server: ApiServer) -> None:
    one = tab("about:blank")  # the page itself comes after the script
    # each stream ends after its first event, as at a proxy that restarts
    one.page.add_init_script(
        """const real = fetch;
        window.fetch = async (url, options) => {
            const answer = await real(url, options);
            if (!String(url).includes("/events")) return answer;
            let text = "";
            const cut = new TransformStream({
                transform(chunk, control) {
                    control.enqueue(chunk);
                    text += new TextDecoder().decode(chunk);
                    if (/data:[^]*\\n\\r?\\n/.test(text)) control.terminate();
                },
            });
            return new Response(answer.body.pipeThrough(cut), answer);
        };"""
    )
    job = server.start(endDate="2024-06-30", volumeMultiplier=3)
    one.page.goto(f"/#{job}")
    expect(one.page.locator("h1 .status")).to_have_text("Done")
    asked = [headers for path, headers in one.requests if path.endswith("/events")]
    assert "last-event-id" not in asked[0]
    assert all("last-event-id" in headers for headers in asked[1:])
    assert len(asked) > 1


def test_progress__comes_by_status_where_events_do_not(tab: Open, server: ApiServer) -> None:
    one = tab()
    page = one.page
    page.route("**/events?*", lambda route: route.abort())
    fill_in(page, "normal-ops", "2024-01-31", "Dry run")
    page.get_by_role("button", name="Start dry run").click()
    expect(page.locator("h1 .status")).to_have_text("Done")
    assert set(one.complaints) == {"Failed to load resource: net::ERR_FAILED"}
    one.complaints.clear()


def test_export__saves_what_was_chosen(
    tab: Open, kept: str, server: ApiServer, tmp_path: Path
) -> None:
    page = tab(f"/#{kept}").page
    page.get_by_role("tab", name="Export").click()
    with page.expect_download() as all_of_it:
        page.get_by_role("button", name="Download").click()
    all_of_it.value.save_as(tmp_path / "all.zip")
    tables = {table["name"] for table in server.get(f"/jobs/{kept}/tables").json()["tables"]}
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(tables)

    page.get_by_role("radio", name="CSV").check(force=True)
    page.get_by_role("button", name="None").click()
    page.get_by_label("Orders", exact=False).first.check()
    page.get_by_label("To", exact=True).fill("2024-01-03")
    with page.expect_download() as orders:
        page.get_by_role("button", name="Download").click()
    assert orders.value.suggested_filename == "orders.csv"
    orders.value.save_as(tmp_path / "orders.csv")
    expect(page.get_by_role("status")).to_contain_text("Saved orders.csv")
    header, *rows = (tmp_path / "orders.csv").read_text().splitlines()
    assert "order_number" in header
    charts = server.get(f"/jobs/{kept}/charts").json()["ordersPerDay"]
    assert len(rows) == sum(sum(counts[:3]) for counts in charts["byStatus"].values())


def test_rows__come_by_the_page_and_whole(tab: Open, kept: str, server: ApiServer) -> None:
    page = tab(f"/#{kept}").page
    page.get_by_role("tab", name="Rows").click()
    page.get_by_label("Table").select_option("companies")
    expect(page.locator(".pager")).to_contain_text("1 to 25 of 100")
    page.get_by_role("button", name="Last page").click()
    expect(page.locator(".pager")).to_contain_text("76 to 100 of 100")
    page.get_by_role("button", name="Show all of row 100").click()
    query = {"table": "companies", "offset": 99, "limit": 1}
    (row,) = server.get(f"/jobs/{kept}/rows", params=query).json()["rows"]
    expect(page.get_by_role("dialog")).to_contain_text(row[1])


def test_chart__can_be_read_as_a_table_and_by_keys(tab: Open, kept: str, server: ApiServer) -> None:
    page = tab(f"/#{kept}").page
    chart = page.locator(".chart", has_text="Orders a day")
    chart.locator(".canvas").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(chart.locator(".legend-where")).to_have_text("Tue, 2 Jan 2024")
    chart.get_by_role("button", name="Show as table").click()
    cells = chart.locator("tbody tr").nth(1).locator("td").all_inner_texts()
    orders = server.get(f"/jobs/{kept}/charts").json()["ordersPerDay"]["byStatus"]
    assert sorted(map(number, cells)) == sorted(counts[1] for counts in orders.values())


def test_without_the_token__the_page_asks_and_shows_nothing(
    tab: Open, browser: Browser, tmp_path: Path
) -> None:
    with running(tmp_path, "--workers", "1", token=TOKEN) as guarded:
        one = tab(url=guarded.url)
        page = one.page
        dialog = page.get_by_role("dialog", name="Token")
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        expect(dialog).to_be_visible()
        assert page.locator(".card").count() == 0
        page.get_by_role("textbox", name="Token").fill("correct-horse-battery-stapler")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("refused this token")
        page.get_by_role("textbox", name="Token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page.locator(".card")).to_have_count(6)

        fill_in(page, "normal-ops", "2024-01-10", "Dry run")
        page.get_by_role("button", name="Start dry run").click()
        expect(page.locator("h1 .status")).to_have_text("Done")  # events bear the token too
        page.reload()
        expect(page.locator("h1 .status")).to_have_text("Done")
        assert TOKEN not in page.evaluate("JSON.stringify(localStorage) + document.cookie")
        other = tab(url=guarded.url)
        expect(other.page.get_by_role("dialog", name="Token")).to_be_visible()
        assert set(one.complaints + other.complaints) == {REFUSED}
        one.complaints.clear()
        other.complaints.clear()


def test_keyboard_alone__starts_a_run(tab: Open) -> None:
    page = tab().page
    expect(page.locator(".card")).to_have_count(6)

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if (
                page.evaluate("document.activeElement.name || document.activeElement.innerText")
                == name
            ):
                return
        raise AssertionError(f"{name} is not in the tab order")

    tab_to("scenario")
    page.keyboard.press("ArrowDown")
    chosen = page.evaluate("document.activeElement.value")
    assert chosen != "normal-ops"
    outline = page.locator(".card-body").nth(1).evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline == "solid"
    tab_to("volumeMultiplier")
    page.keyboard.type("0.5")
    tab_to("mode")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Make files")).to_be_enabled()
    tab_to("Make files")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(chosen)
    assert page.evaluate("document.activeElement.id") == "main"
    expect(page.locator("h1 .status")).to_have_text("Done")
    tab_to("Overview")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Rows")).to_be_focused()
    expect(page.locator(".grid tbody tr").first).to_be_visible()


def test_phone__never_scrolls_sideways(tab: Open, kept: str) -> None:
    page = tab(viewport=PHONE).page
    expect(page.locator(".plan .figures")).to_be_visible()
    page.locator(".makeup summary").click()
    page.get_by_text("The same from a terminal").click()
    assert overflow(page) <= 0
    page.get_by_role("button", name="Runs").click()
    page.locator(f".history a[href='#{kept}']").click()
    expect(page.locator('.canvas[data-drawn="true"]')).to_have_count(4)
    for name in ("Overview", "Rows", "Verification", "Export"):
        page.get_by_role("tab", name=name).click()
        page.wait_for_load_state("networkidle")
        assert overflow(page) <= 0, name


def test_theme__is_kept_and_reaches_the_charts(tab: Open, kept: str) -> None:
    page = tab(f"/#{kept}", color_scheme="dark").page
    legend = page.locator(".swatch").first
    expect(page.locator('.canvas[data-drawn="true"]')).to_have_count(4)
    dark = legend.evaluate("e => getComputedStyle(e).backgroundColor")
    pixels = "document.querySelector('.canvas canvas').toDataURL()"
    before = page.evaluate(pixels)
    page.get_by_role("button", name="Colours: system").click()
    assert legend.evaluate("e => getComputedStyle(e).backgroundColor") != dark
    page.wait_for_function(f"before => {pixels} !== before", arg=before)
    page.reload()
    expect(page.get_by_role("button", name="Colours: light")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"


def test_wrong_values__are_told_beside_their_fields(tab: Open) -> None:
    page = tab().page
    fill_in(page, "normal-ops", "2023-12-01", "Files", seed="9007199254740993")
    expect(page.locator("#seed-error")).to_contain_text("is larger than 9007199254740991")
    page.locator("#seed").fill("5")
    expect(page.locator("#endDate-error")).to_contain_text("lies before the start")
    expect(page.locator("#endDate")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("button", name="Make files")).to_be_disabled()


def test_toggle__is_shown_and_switched(tab: Open, server: ApiServer) -> None:
    page = tab().page
    before = server.get("/toggle").json()["enabled"]
    assert before is False
    page.get_by_role("button", name="loads off").click()
    expect(page.get_by_role("dialog")).to_contain_text("development")
    page.get_by_role("switch", name="Database loads").click()
    expect(page.get_by_role("switch")).to_be_checked()
    assert server.get("/toggle").json()["enabled"] is True
    page.get_by_role("switch").click()
    expect(page.get_by_role("switch")).not_to_be_checked()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_removal__is_typed_and_leaves_no_files(tab: Open, server: ApiServer) -> None:
    job = server.finished(dryRun=False)
    folder = server.home / "jobs" / job
    assert folder.is_dir()
    one = tab(f"/#{job}")
    page = one.page
    page.get_by_role("button", name="Remove rows").click()
    rows = sum(server.status(job)["result"]["recordCounts"].values())
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"{rows:,} rows of one run")
    remove = dialog.get_by_role("button", name="Remove", exact=True)
    page.get_by_label("to confirm").fill("delete_all_mock_data")
    expect(remove).to_be_disabled()
    page.get_by_label("to confirm").fill("DELETE_ALL_MOCK_DATA")
    remove.click()
    expect(page.get_by_text(f"{rows:,} rows are gone")).to_be_visible()
    assert not folder.exists()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("not there any more")).to_be_visible()
    assert all("409 (Conflict)" in text for text in one.complaints)
    one.complaints.clear()


def test_page__holds_no_inline_code() -> None:
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert "<style" not in page
    assert re.findall(r"\son\w+=|\sstyle=", page) == []


def test_libraries__are_those_that_are_written_down() -> None:
    vendor = FOLDER / "vendor"
    listed = dict(
        reversed(line.split())
        for line in (vendor / "README.md").read_text(encoding="utf-8").splitlines()
        if re.match(r"[0-9a-f]{64} ", line)
    )
    there = {
        path.relative_to(vendor).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendor.rglob("*.*")
        if path.name != "README.md"
    }
    assert there == listed
    assert all((vendor / name).with_name("LICENSE").is_file() for name in there)
