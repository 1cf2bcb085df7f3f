"""What the documentation names exists: files, headings, commands, extras, messages."""

from __future__ import annotations

import json
import re
import shlex
import sys

import pytest
from doc_pages import NAMES, PACKAGE, ROOT, TEXTS, blocks, commands, strings
from packaging.requirements import Requirement

from airflow_provider_assets.sansio import errors
from airflow_provider_assets.vendors import BUILT_IN, vendor_class
from airflow_provider_assets.vendors.connection import COMMON_FIELDS, VendorConnection
from airflow_provider_assets.vendors.huawei_roma_contract import LISTINGS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FENCED = re.compile(r"```.*?```", re.DOTALL)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type)}


def headings(name):
    """The anchors of a page, as GitHub and mkdocs make them."""
    text = FENCED.sub("", (ROOT / name).read_text(encoding="utf-8"))
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in found}


def links(name):
    return re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", TEXTS[name]))


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(name):
    for link in links(name):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        if anchor:
            assert anchor in headings(str(target.resolve().relative_to(ROOT))), link


@pytest.mark.parametrize("name", TEXTS)
def test_every_test_that_is_named_exists(name):
    for path in re.findall(r"`(tests/[\w/.-]+)`", TEXTS[name].replace("test_NAME", "test_s3")):
        assert (ROOT / path).exists(), path


def test_every_page_can_be_reached_from_the_readme_and_is_in_the_site():
    reached = {"README.md"}
    while True:
        found = {
            str(((ROOT / name).parent / link.partition("#")[0]).resolve().relative_to(ROOT))
            for name in reached & TEXTS.keys()
            for link in links(name)
            if not link.startswith(("https://", "#"))
        }
        if found <= reached:
            break
        reached |= found
    assert {name for name in TEXTS if name != "docs/index.md"} <= reached
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(f": {name.removeprefix('docs/')}\n" in site for name in set(TEXTS) - set(NAMES))


def test_the_readme_fits_on_two_screens_and_its_first_dag_on_a_slide():
    assert len(TEXTS["README.md"].splitlines()) <= 90
    first = next(block for name, block in blocks("python") if name == "README.md")
    assert len(first.strip().splitlines()) <= 15


def test_the_readme_offers_the_demo_and_the_tests_as_commands():
    readme = [block.strip() for name, block in blocks("bash") if name == "README.md"]
    assert readme[:2] == ["make demo", "make test"]


def test_every_command_of_the_pages_is_of_a_kind_that_is_tested():
    kinds = {"make", "export", "airflow", "pip", "python", ".venv/bin/python"}
    assert {command.split()[0] for command in commands()} <= kinds


@pytest.mark.parametrize("command", sorted(set(commands("make"))))
def test_a_make_target_of_the_pages_exists(command):
    target = shlex.split(command)[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("command", sorted(set(commands("pip"))))
def test_an_install_command_asks_for_extras_that_exist(command):
    wanted = shlex.split(command)[2]
    requirement = Requirement(re.sub(r"^\.(?=\[)", PROJECT["name"], wanted))  # "." is a clone
    assert requirement.name == PROJECT["name"]
    assert requirement.extras <= PROJECT["optional-dependencies"].keys()


def test_the_page_of_the_installation_lists_every_extra():
    listed = re.findall(r"^\| `(\w+)` \|", TEXTS["docs/install.md"], re.MULTILINE)
    assert sorted(listed) == sorted(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("command", sorted(set(commands(".venv/bin/python"))))
def test_a_test_command_names_a_test_that_exists(command):
    words = shlex.split(command)
    assert words[1:3] == ["-m", "pytest"]
    for word in words[3:]:
        if not word.startswith("-"):
            path, _, name = word.partition("::")
            assert (ROOT / path).exists(), word
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8") if name else True


def declared(command):
    """Name of the variable and connection of a line of the pages."""
    name, _, value = shlex.split(command)[1].partition("=")
    return name, json.loads(value)


CONNECTIONS = dict(map(declared, commands("export")))


@pytest.mark.parametrize(
    "name", [n for n, data in CONNECTIONS.items() if data["conn_type"] in BUILT_IN]
)
def test_a_connection_of_the_pages_is_complete(name):
    data = CONNECTIONS[name]
    connection = VendorConnection(
        conn_id=name.removeprefix("AIRFLOW_CONN_").lower(),
        conn_type=data["conn_type"],
        login=data.get("login", ""),
        password=data["password"],
        extra=data.get("extra", {}),
    )
    assert vendor_class(data["conn_type"])(connection, clock=lambda: 0.0).base_url


def test_all_other_connections_of_the_pages_are_of_stores():
    others = {data["conn_type"] for data in CONNECTIONS.values()} - set(BUILT_IN)
    assert others == {"aws", "google_cloud_platform", "wasb"}


def test_the_page_of_connections_lists_every_extra_once_for_each_vendor():
    page = TEXTS["docs/connections.md"]
    rows = re.findall(r"^\| ((?:`\w+`,? ?)+) \| ([^|]+) \|", page, re.MULTILINE)
    listed = {
        (field, vendor)
        for fields, vendors in rows
        for field in re.findall(r"`(\w+)`", fields)
        for vendor in (BUILT_IN if vendors == "all" else re.findall(r"`(\w+)`", vendors))
    }
    forms = {
        (field, vendor)
        for vendor in BUILT_IN
        for field in {*vendor_class(vendor).spec.form.fields, *COMMON_FIELDS, "base_url"}
    }
    assert listed == forms
    assert not [name for name in TEXTS if "| extra | of |" in TEXTS[name]][1:]


def test_the_page_of_vendors_names_all_that_they_take():
    named = set(re.findall(r"[`\"](\w+)[`\"]", TEXTS["docs/vendors.md"]))
    for name in BUILT_IN:
        spec = vendor_class(name).spec
        assert {*spec.kinds, *spec.filters, *spec.options} <= named
    assert {name for filters in LISTINGS.values() for name in filters} <= named


def test_the_output_of_the_demo_is_as_printed(texts):
    (output,) = [block for name, block in blocks("text") if name == "README.md"]
    first, *_, last = output.strip().splitlines()
    formats = [re.sub(r"%[sd]", ".+", re.escape(text)) for text in texts if "%d" in text]
    assert any(re.fullmatch(pattern, first) for pattern in formats)
    demo = ROOT / "dags_examples" / "demo" / "__main__.py"
    printed = [text for _, text in strings(demo)]
    assert set(output.split("\n\n")[0].splitlines()[2].split()) <= set(printed)
    (ending,) = [text for text in printed if "landings verified" in text]
    assert re.fullmatch(re.escape(ending).replace("…", ".+"), last)


MESSAGES = re.findall(r"^\| `([^`]+)`", TEXTS["docs/troubleshooting.md"], re.MULTILINE)


@pytest.fixture(scope="module")
def texts():
    """All texts of the package; an implicit concatenation is one text already."""
    return [text for path in PACKAGE for _, text in strings(path)]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_that_troubleshooting_lists_is_one_of_the_package(message, texts):
    if message in ERRORS:
        return
    pattern = re.compile(".*".join(re.escape(part) for part in message.split("…")), re.DOTALL)
    assert any(pattern.search(text) for text in texts), message


def test_troubleshooting_lists_every_class_of_error_that_users_meet():
    internal = {"AssetsError", "TransientError", "PermanentError", "JobError"}
    users = {name for name in ERRORS if name.endswith("Error")} - internal
    # These two always come with words of their own, which the tables list.
    assert users - set(MESSAGES) <= {
        "InvalidRequestError",
        "ProtocolError",
        "VendorUnavailableError",
    }
