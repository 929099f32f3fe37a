"""Every change has a text, in every language, for both apps, at both levels of detail."""

from __future__ import annotations

import datetime as dt
import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schoolbell_server.domain.change import Change, ChangeKey, Payload
from schoolbell_server.domain.kinds import (
    AppType,
    AssignmentAction,
    AttendanceExcuse,
    AttendanceStatus,
    DetailLevel,
    ResponsiveScheduleAction,
)
from schoolbell_server.domain.kinds.assignment import AssignmentChange
from schoolbell_server.domain.kinds.attendance import AttendanceChange
from schoolbell_server.domain.kinds.grade import GradeChange
from schoolbell_server.domain.kinds.lunch_balance import LunchBalanceChange
from schoolbell_server.domain.kinds.responsive_schedule import ResponsiveScheduleChange
from schoolbell_server.texts import Text, Texts

NAME, COURSE = "Lucia", "Marine Biology"
DAY = dt.date(2026, 11, 24)
TEXTS = Texts()


def assignment(action: AssignmentAction, **fields: Decimal | dt.date) -> AssignmentChange:
    return AssignmentChange(
        action=action,
        assignment_id="a1",
        section_id="sec",
        title="Lab 3",
        course_name=COURSE,
        **fields,  # type: ignore[arg-type]
    )


def grade(percent: Decimal | None = None, mark: str = "") -> GradeChange:
    return GradeChange(
        section_id="sec",
        grading_task="Semester",
        grading_period="S1",
        course_name=COURSE,
        percent=percent,
        mark=mark,
    )


def attendance(status: AttendanceStatus, period: str = "2") -> AttendanceChange:
    return AttendanceChange(
        date=DAY,
        status=status,
        excuse=AttendanceExcuse.UNEXCUSED,
        period=period,
        course_name=COURSE if period else "",
    )


def lunch(balance: str) -> LunchBalanceChange:
    return LunchBalanceChange(account_id="l1", balance=Decimal(balance))


def session(
    action: ResponsiveScheduleAction, location: str = "Room 12"
) -> ResponsiveScheduleChange:
    return ResponsiveScheduleChange(
        action=action, date=DAY, period="7", offering_name="Robotics", location=location
    )


PAYLOADS: dict[str, tuple[Payload, str]] = {
    "assigned": (assignment(AssignmentAction.ASSIGNED), "Lab 3"),
    "scored": (assignment(AssignmentAction.SCORED, score_percent=Decimal("68.25")), "68.25%"),
    "points": (assignment(AssignmentAction.SCORED, points=Decimal(7)), "7 points"),
    "point": (assignment(AssignmentAction.SCORED, points=Decimal(1)), "1 point"),
    "missing": (assignment(AssignmentAction.MISSING), "Lab 3"),
    "due": (assignment(AssignmentAction.DUE_DATE_MOVED, due_date=DAY), "Nov 24, 2026"),
    "withdrawn": (assignment(AssignmentAction.WITHDRAWN), "Lab 3"),
    "grade": (grade(Decimal("101.5")), "101.5%"),
    "mark": (grade(mark="B+"), "B+"),
    "removed grade": (grade(), "Semester"),
    "lunch": (lunch("9.5"), "$9.50"),
    "owed": (lunch("-3"), "-$3.00"),
    "whole day": (attendance(AttendanceStatus.ABSENT, period=""), "Nov 24, 2026"),
    "no place": (session(ResponsiveScheduleAction.ADDED, location=""), "Robotics: Nov 24, 2026"),
    **{each.name: (attendance(each), "period 2") for each in AttendanceStatus},
    **{each.name: (session(each), "Robotics (Room 12)") for each in ResponsiveScheduleAction},
}


def change(payload: Payload) -> Change:
    return Change(
        key=ChangeKey(source="sis", change_id="c"),
        student_id="s1",
        occur_time=dt.datetime(2026, 11, 24, 15, tzinfo=dt.UTC),
        payload=payload,
        calendar_id="high:2027",
    )


def text(
    payload: Payload,
    app: AppType = AppType.PARENT,
    detail: DetailLevel = DetailLevel.DETAILED,
    locale: str = "en",
    *,
    name: str = NAME,
    correction: bool = False,
    currency_code: str = "USD",
) -> Text:
    return TEXTS.render(
        change(payload),
        app=app,
        detail=detail,
        locale=locale,
        student_name=name,
        correction=correction,
        currency_code=currency_code,
    )


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("locale", ["en", "es"])
@pytest.mark.parametrize("app", AppType)
@pytest.mark.parametrize("correction", [False, True])
def test_every_text_is_whole(payload: str, locale: str, app: AppType, correction: bool) -> None:
    for detail in DetailLevel:
        found = text(PAYLOADS[payload][0], app, detail, locale, correction=correction)
        for line in (found.title, found.body):
            assert line.strip(".: ") == line.rstrip("."), "an empty part"
            assert not set("{}•") & set(line)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_detailed_text_says_the_value(payload: str) -> None:
    change_payload, value = PAYLOADS[payload]
    assert value in text(change_payload).body


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("locale", ["en", "es"])
def test_only_the_parents_app_names_the_student(payload: str, locale: str) -> None:
    change_payload = PAYLOADS[payload][0]
    assert NAME in text(change_payload, AppType.PARENT, locale=locale).title
    student = text(change_payload, AppType.STUDENT, locale=locale)
    assert NAME not in student.title + student.body


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("locale", ["en", "es"])
@pytest.mark.parametrize("app", AppType)
def test_a_generic_text_names_nobody_and_no_value(payload: str, locale: str, app: AppType) -> None:
    found = text(PAYLOADS[payload][0], app, DetailLevel.GENERIC, locale)
    said = found.title + found.body
    assert not any(char.isdigit() for char in said)
    for secret in (NAME, COURSE, "Lab 3", "Semester", "B+", "Robotics", "Room 12", "$"):
        assert secret not in said


@pytest.mark.parametrize(
    "payload", [name for name, (one, _) in PAYLOADS.items() if hasattr(one, "course_name")]
)
def test_a_detailed_text_names_the_course(payload: str) -> None:
    if payload == "whole day":
        return
    found = text(PAYLOADS[payload][0])
    assert COURSE in found.title + found.body


def test_what_changed_is_told_apart() -> None:
    told = {text(payload, currency_code="USD") for payload, _ in PAYLOADS.values()}
    assert len(told) == len(PAYLOADS)


def test_the_generic_grade_is_the_designs() -> None:
    found = text(grade(Decimal(60)), detail=DetailLevel.GENERIC)
    assert found.title == "New grade posted"


def test_a_correction_says_so() -> None:
    mark = attendance(AttendanceStatus.PRESENT)
    assert "corrected" in text(mark, correction=True).title
    assert "corrected" not in text(mark).title


def test_a_student_without_a_name_is_still_told_of() -> None:
    assert text(lunch("5"), name=" \n").title == "Your student: lunch account"


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("es", "68,25 %"),
        ("es-MX", "68.25%"),
        ("es_ES", "68,25 %"),
        ("ES-US", "68.25%"),
        ("es-zz", "68,25 %"),
        ("en_GB@calendar=gregorian", "68.25%"),
        ("de-DE", "68.25%"),
        ("es-MX-u-ca-gregory-fw-mon-ms-metric-mu-celsius-nu-latn", "68.25%"),
        ("es-MX-u-fw-mon-ms-metric-mu-celsius", "68.25%"),
        ("es-US-x-lvariant-POSIX", "68.25%"),
        ("es-MX-valencia-t-en-x-y", "68.25%"),
        ("es-419", "68.25%"),
        ("es-Latn-MX-1994-a-bb-ccc", "68.25%"),
        ("ar-EG-u-fw-sun-ms-metric-mu-celsius-nu-latn", "68.25%"),
    ],
)
def test_numbers_follow_the_locale(locale: str, said: str) -> None:
    found = text(PAYLOADS["scored"][0], locale=locale)
    assert found.body == f"Lab 3: {said}"
    spanish = locale.lower().startswith("es")
    assert ("puntuación" in found.title) is spanish


@pytest.mark.parametrize("locale", ["en", "es-MX"])
@pytest.mark.parametrize("percent", ["69.996", "69.9999", "69.995", "70.0001", "69.5", "9.9"])
def test_a_percentage_is_shown_as_it_was_judged(locale: str, percent: str) -> None:
    scored = assignment(AssignmentAction.SCORED, score_percent=Decimal(percent))
    assert text(scored, locale=locale).body == f"Lab 3: {percent}%"
    assert text(grade(Decimal(percent)), locale=locale).body == f"Semester: {percent}%"


def test_a_balance_and_points_are_shown_as_they_were_judged() -> None:
    assert "$9.996." in text(lunch("9.996")).body
    assert "9,996 US$" in text(lunch("9.996"), locale="es-ES").body
    assert "-$0.004." in text(lunch("-0.004")).body
    assert "¥9.5." in text(lunch("9.5"), currency_code="JPY").body
    points = assignment(AssignmentAction.SCORED, points=Decimal("6.9999"))
    assert "6.9999 points" in text(points).body


NAMELESS: dict[str, Payload] = {
    **{
        action.name: AssignmentChange(
            action=action,
            assignment_id="a-77",
            section_id="sec-88",
            points=Decimal(7),
            due_date=DAY,
        )
        for action in AssignmentAction
    },
    "percent": AssignmentChange(
        action=AssignmentAction.SCORED,
        assignment_id="a-77",
        section_id="sec-88",
        score_percent=Decimal(70),
    ),
    **{
        each: GradeChange(
            section_id="sec-88",
            grading_task="Semester",
            grading_period="S1",
            percent=percent,
            mark=mark,
        )
        for each, percent, mark in (
            ("grade", Decimal(7), ""),
            ("mark", None, "B"),
            ("none", None, ""),
        )
    },
    "absent": AttendanceChange(
        date=DAY,
        status=AttendanceStatus.ABSENT,
        excuse=AttendanceExcuse.UNDECIDED,
        section_id="sec-88",
    ),
}


@pytest.mark.parametrize("payload", NAMELESS)
@pytest.mark.parametrize("locale", ["en", "es"])
@pytest.mark.parametrize("app", AppType)
def test_no_id_stands_for_a_name_that_is_missing(payload: str, locale: str, app: AppType) -> None:
    found = text(NAMELESS[payload], app, locale=locale)
    for line in (found.title, found.body):
        assert not any(part in line for part in ("a-77", "sec-88", "•", "  ", " :", "{"))
        assert not line.endswith((" in", " en", ":"))


def test_a_nameless_change_is_still_a_sentence() -> None:
    missing = NAMELESS["MISSING"]
    assert text(missing) == Text("Lucia: missing assignment", "An assignment was not handed in.")
    assert text(missing, locale="es").body == "No se entregó una tarea."
    assert text(NAMELESS["grade"]) == Text("Lucia: new grade", "Semester: 7%")


def test_money_and_dates_follow_the_locale() -> None:
    assert "9,50 €" in text(lunch("9.5"), locale="es-ES", currency_code="EUR").body
    assert "24 nov 2026" in text(attendance(AttendanceStatus.ABSENT), locale="es").body
    assert "24 Nov 2026" in text(attendance(AttendanceStatus.ABSENT), locale="en-GB").body


def test_a_publishers_control_characters_and_line_breaks_do_not_arrive() -> None:
    odd = AssignmentChange(
        action=AssignmentAction.MISSING,
        assignment_id="a",
        section_id="s",
        title="Lab\r\n3\x00 \u202eevil",
        course_name="Bio\tlogy",
    )
    found = text(odd, name="Lu\ncia\x1b")
    assert found == Text("Lu cia: missing assignment in Bio logy", "Lab 3 evil was not handed in.")


@settings(max_examples=150, deadline=None)
@given(
    words=st.text(st.characters(), max_size=40),
    locale=st.text(st.characters(), max_size=20),
    amount=st.decimals(-(2**63), 2**63 - 1, places=9),  # what a Money can hold
    currency=st.text(st.characters(), max_size=4),
)
def test_odd_input_never_raises(words: str, locale: str, amount: Decimal, currency: str) -> None:
    others: list[Payload] = [
        LunchBalanceChange(account_id=words, balance=amount),
        GradeChange(section_id=words, grading_task=words, grading_period=words, mark=words),
        ResponsiveScheduleChange(
            action=ResponsiveScheduleAction.REMOVED, date=dt.date.min, period=words
        ),
    ]
    others += [
        AssignmentChange(action=each, assignment_id=words, section_id=words, title=words)
        for each in AssignmentAction
    ]
    others += [
        AttendanceChange(date=DAY, status=each, excuse=AttendanceExcuse.UNDECIDED, period=words)
        for each in AttendanceStatus
    ]
    for payload in others:
        found = text(payload, locale=locale, name=words, currency_code=currency)
        for line in (found.title, found.body):
            hidden = (unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in line)
            assert not any(hidden)


@pytest.mark.parametrize("locale", ["", "en", "es-MX", "fr", "en-\x00", "../es", "x" * 500])
def test_the_test_text_names_the_product(locale: str) -> None:
    assert TEXTS.test_text(locale).title == "Schoolbell"
    assert ("prueba" in TEXTS.test_text(locale).body) is (locale == "es-MX")
