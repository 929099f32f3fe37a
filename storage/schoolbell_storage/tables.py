"""Every table, for SQLite and PostgreSQL alike.

Times are microseconds since the epoch (UTC), dates are ISO texts, enums are the domain's
numbers, documents are compact JSON: one representation on both databases, compared as it is.
Secrets (device addresses, collapse secrets) arrive sealed; this package never sees them open.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

from schoolbell_server.domain.retention import AUDIT_RETENTION

metadata = MetaData()

_BYTEWISE = Text().with_variant(Text(collation="C"), "postgresql")
"""A text whose order is that of its bytes on both databases: what begins alike lies together."""


def _id(name: str, *, primary_key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=primary_key, nullable=False)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


def _time(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _flag(name: str, *, default: bool = False) -> Column[bool]:
    return Column(
        name, Boolean, nullable=False, server_default=text("true" if default else "false")
    )


def _count(name: str, *, default: int = 0) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text(str(default)))


def _enum(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, SmallInteger, nullable=nullable)


revision = Table(
    "revision",
    metadata,
    Column("store_id", Text, primary_key=True),
    _count("value"),
    _count("pruned"),
)
"""One row: the store's identity, the number of the last status transaction (on PostgreSQL, of when
`REVISIONS` was made), and the number of the last one whose log is gone."""

REVISIONS = "status_revision"
"""PostgreSQL's sequence of the numbers of status transactions."""

status_log = Table(
    "status_log",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    _id("district_id", primary_key=True),
    _time("create_time"),
    Column("updates", LargeBinary, nullable=False),
)

server_instance = Table(
    "server_instance",
    metadata,
    _id("instance_id", primary_key=True),
    _time("alive_until"),
    _flag("sends"),
)

district = Table(
    "district",
    metadata,
    _id("district_id", primary_key=True),
    _text("display_name"),
    _id("time_zone"),
    _id("locale"),
    _id("currency_code"),
    Column("active_school_year", Integer),
    Column("licensed_kinds", Text, nullable=False, server_default="[]"),
    Column("app_ids", Text, nullable=False, server_default="[]"),
    Column("collapse_secret", LargeBinary, nullable=False),
    _count("version", default=1),
    _time("create_time"),
    _time("update_time"),
    _flag("enabled"),
    Column("settings", Text, nullable=False, server_default="{}"),
    _count("settings_version", default=1),
    _time("settings_update_time"),
    _text("settings_updater"),
    Column("settings_updater_type", SmallInteger, nullable=False, server_default=text("0")),
    _text("settings_acting_user_id"),
    _count("audit_retention", default=int(AUDIT_RETENTION.total_seconds())),
    _count("facts_version"),
    _count("roster_version"),
)

school = Table(
    "school",
    metadata,
    _id("district_id", primary_key=True),
    _id("school_id", primary_key=True),
    _text("display_name"),
    _text("time_zone"),
    _flag("active", default=True),
    _text("source"),
    _flag("limited"),
    _time("update_time"),
)
"""`limited` here and in the other records: a caller limited to sources wrote it last."""

calendar = Table(
    "calendar",
    metadata,
    _id("district_id", primary_key=True),
    _id("calendar_id", primary_key=True),
    _id("school_id"),
    _text("display_name"),
    Column("school_year", Integer, nullable=False),
    _id("start_date"),
    _id("end_date"),
    Column("terms", Text, nullable=False, server_default="[]"),
    _flag("active", default=True),
    _text("source"),
    _flag("limited"),
    _time("update_time"),
)

display_options = Table(
    "display_options",
    metadata,
    _id("district_id", primary_key=True),
    _id("calendar_id", primary_key=True),
    Column("options", Text, nullable=False),
    _count("version", default=1),
    _time("update_time"),
    _text("updater"),
)

user_account = Table(
    "user_account",
    metadata,
    _id("district_id", primary_key=True),
    _id("user_id", primary_key=True),
    _flag("student"),
    _flag("enabled", default=True),
    Column("birth_date", Text),
    _text("given_name"),
    _text("family_name"),
    _text("preferred_name"),
    _flag("active", default=True),
    _text("source"),
    _flag("limited"),
    _time("update_time"),
)

relationship = Table(
    "relationship",
    metadata,
    _id("district_id", primary_key=True),
    _id("student_id", primary_key=True),
    _id("guardian_id", primary_key=True),
    _text("relation"),
    _flag("portal_enabled"),
    _flag("adult_consent"),
    Column("start_date", Text),
    Column("end_date", Text),
    _flag("active", default=True),
    _text("source"),
    _flag("limited"),
    _time("update_time"),
    Index("relationship_by_guardian", "district_id", "guardian_id"),
)

bar = Table(
    "bar",
    metadata,
    _id("district_id", primary_key=True),
    _id("student_id", primary_key=True),
    _id("guardian_id", primary_key=True),
    _id("source", primary_key=True),
    _time("set_time"),
    _text("comment"),
    _enum("principal_type", nullable=True),
    _text("principal_id"),
    _text("acting_user_id"),
    Index("bar_by_guardian", "district_id", "guardian_id"),
)
"""Whoever is in a row may see nothing of the student, related or not; the empty source is the
district itself, and only its bars have a comment and a principal."""

enrollment = Table(
    "enrollment",
    metadata,
    _id("district_id", primary_key=True),
    _id("enrollment_id", primary_key=True),
    _id("student_id"),
    _id("calendar_id"),
    _id("start_date"),
    Column("end_date", Text),
    _flag("portal_visible", default=True),
    _flag("active", default=True),
    _text("source"),
    _flag("limited"),
    _time("update_time"),
    Index("enrollment_by_student", "district_id", "student_id"),
    Index("enrollment_by_calendar", "district_id", "calendar_id"),
)

roster_import = Table(
    "roster_import",
    metadata,
    _id("district_id", primary_key=True),
    _id("import_id", primary_key=True),
    _id("mode"),
    _text("source"),
    _flag("validate_only"),
    Column("max_deactivated_percent", Double, nullable=False),
    Column("max_portal_loss_percent", Double, nullable=False, server_default=text("5")),
    Column("max_birth_date_loss_percent", Double, nullable=False, server_default=text("5")),
    _flag("allow_bar_loss"),
    Column("sources", Text, nullable=False, server_default="[]"),
    _id("state"),
    _count("attempt", default=1),
    Column("report", Text, nullable=False, server_default="{}"),
    _time("create_time"),
    _time("update_time"),
    Index("roster_import_by_time", "district_id", "create_time"),
)

roster_stage = Table(
    "roster_stage",
    metadata,
    _id("district_id", primary_key=True),
    _id("import_id", primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("records", LargeBinary, nullable=False),
)

device = Table(
    "device",
    metadata,
    _id("device_id", primary_key=True),
    _id("district_id"),
    _id("app_id"),
    _id("user_id"),
    _id("installation_id"),
    _enum("platform"),
    _enum("environment"),
    _flag("fid"),
    Column("address", LargeBinary),
    _text("address_hash"),
    _text("address_tail"),
    _text("registration_ref"),
    _text("os_version"),
    _text("app_version"),
    _text("locale"),
    _flag("stay_logged_in"),
    _flag("muted"),
    _enum("detail_level"),
    _time("register_time"),
    _time("address_time"),
    _time("last_seen_time"),
    _time("update_time"),
    _enum("retirement_reason", nullable=True),
    _time("retire_time", nullable=True),
    _count("version", default=1),
    Index("device_by_user", "district_id", "user_id"),
    Index("device_by_address", "app_id", "address_hash"),
    Index(
        "device_live_last_seen",
        "last_seen_time",
        sqlite_where=text("retirement_reason IS NULL"),
        postgresql_where=text("retirement_reason IS NULL"),
    ),
    Index(
        "device_live_installation",
        "district_id",
        "app_id",
        "installation_id",
        unique=True,
        sqlite_where=text("retirement_reason IS NULL"),
        postgresql_where=text("retirement_reason IS NULL"),
    ),
    Index(
        "device_live_address",
        "district_id",
        "app_id",
        "address_hash",
        unique=True,
        sqlite_where=text("retirement_reason IS NULL"),
        postgresql_where=text("retirement_reason IS NULL"),
    ),
)

subscription = Table(
    "subscription",
    metadata,
    _id("district_id", primary_key=True),
    _id("user_id", primary_key=True),
    Column("app_type", SmallInteger, primary_key=True, autoincrement=False),
    _id("device_id", primary_key=True),
    _id("student_id", primary_key=True),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    _flag("enabled"),
    Column("condition", Text),
    _time("limit_time", nullable=True),
    _time("update_time"),
    Index("subscription_by_student", "district_id", "student_id"),
)
"""What a person chose for an app type, or one device of theirs, where `device_id` is not empty."""

test_notification = Table(
    "test_notification",
    metadata,
    _id("district_id", primary_key=True),
    _id("request_id", primary_key=True),
    _id("user_id"),
    _id("device_id"),
    _time("create_time"),
    Column("answer", LargeBinary),
    Index("test_notification_by_user", "district_id", "user_id"),
    Index("test_notification_by_time", "create_time"),
)
"""Requests for test notifications, remembered so that a repeat sends none; no answer: under way."""

change_key = Table(
    "change_key",
    metadata,
    _id("district_id", primary_key=True),
    _id("source", primary_key=True),
    _id("change_id", primary_key=True),
    _id("fingerprint"),
    _count("token_revision"),
    _time("accept_time"),
    Index("change_key_by_time", "district_id", "accept_time"),
)
"""What makes a publish idempotent; outlives the change."""

change = Table(
    "change",
    metadata,
    _id("district_id", primary_key=True),
    _id("source", primary_key=True),
    _id("change_id", primary_key=True),
    _id("student_id"),
    _enum("kind"),
    _time("occur_time"),
    _time("accept_time"),
    _count("position"),
    _count("token_revision"),
    _count("deliveries"),
    Column("content", LargeBinary, nullable=False),
    Column("decision", LargeBinary, nullable=False),
    Index("change_by_time", "district_id", "accept_time", "position"),
    Index("change_by_student", "district_id", "student_id", "accept_time"),
)

fact = Table(
    "fact",
    metadata,
    _id("district_id", primary_key=True),
    Column("fact_key", _BYTEWISE, primary_key=True, nullable=False),
    Column("state", Text, nullable=False),
    _time("update_time"),
    Column("kind", SmallInteger, nullable=False, server_default=text("0")),
    Column("update_day", BigInteger, Computed("update_time / 1000000 / 86400", persisted=True)),
    Index("fact_by_age", "district_id", "kind", "update_day"),
)
"""Retention asks for a fact's kind and for the day of its time: a whole day, so that the second
change of a day touches no index."""

refusal_tally = Table(
    "refusal_tally",
    metadata,
    _id("district_id", primary_key=True),
    _id("accept_date", primary_key=True),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("gate", SmallInteger, primary_key=True, autoincrement=False),
    Column("reason", SmallInteger, primary_key=True, autoincrement=False),
    _count("value"),
)
"""Refusals by gate and reason; gate 0 counts the accepted changes themselves."""

WAITING = text("state IN (1, 2) AND lease_owner = ''")
"""Of deliveries that may be leased. Queries use it as it stands, for SQLite uses a partial index
only where it finds the index's own words."""
LEASED = text("lease_owner <> ''")
"""Of deliveries that are with a sender."""
DOUBTFUL = text("answer_lost AND state IN (1, 2, 11)")
"""Of deliveries that were to be sent, or were cancelled, while somebody may have them who said
nothing; the form that SQLite uses its index for."""

delivery = Table(
    "delivery",
    metadata,
    _id("delivery_id", primary_key=True),
    _id("district_id"),
    _id("source"),
    _id("change_id"),
    _id("student_id"),
    _id("user_id"),
    _id("device_id"),
    _id("app_id"),
    _enum("app"),
    _enum("platform"),
    _enum("kind"),
    Column("lane", SmallInteger, nullable=False),
    _text("calendar_id"),
    _enum("state"),
    _enum("hold_cause", nullable=True),
    _count("revision", default=1),
    _enum("cancel_cause", nullable=True),
    _enum("cancel_gate", nullable=True),
    _enum("cancel_refusal", nullable=True),
    _text("cancel_comment"),
    _text("cancel_principal"),
    _count("attempt_count"),
    _count("budget_start"),
    _flag("answer_lost"),
    Column("attempts", Text, nullable=False, server_default="[]"),
    _id("fact_key"),
    Column("other_fact_key", Text),
    Column("told", Text, nullable=False),
    _flag("correction"),
    _count("facts_version"),
    _id("school_day"),
    _id("time_zone"),
    _text("provider_message_id"),
    _text("lease_owner"),
    _time("create_time"),
    _time("due_time"),
    _time("expire_time"),
    _time("accept_time", nullable=True),
    _time("display_time", nullable=True),
    _time("open_time", nullable=True),
    _time("update_time"),
    Index("delivery_by_create", "district_id", "create_time", "delivery_id"),
    Index("delivery_by_change", "district_id", "source", "change_id"),
    Index("delivery_by_fact", "district_id", "fact_key"),
    Index("delivery_by_device", "device_id", "create_time"),
    Index("delivery_by_user", "district_id", "user_id", "create_time"),
    Index(
        "delivery_by_other_fact",
        "district_id",
        "other_fact_key",
        sqlite_where=text("other_fact_key IS NOT NULL"),
        postgresql_where=text("other_fact_key IS NOT NULL"),
    ),
    Index(
        "delivery_due",
        "app_id",
        "platform",
        "lane",
        "district_id",
        "due_time",
        "state",
        "lease_owner",  # so that the count of what waits reads the index alone
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    ),
    Index(
        "delivery_leased",
        "lease_owner",
        sqlite_where=LEASED,
        postgresql_where=LEASED,
    ),
    Index(
        "delivery_doubtful",
        "update_time",
        sqlite_where=DOUBTFUL,
        postgresql_where=DOUBTFUL,
    ),
    Index(
        "delivery_expiring",
        "expire_time",
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    ),
)

api_key = Table(
    "api_key",
    metadata,
    _id("key_id", primary_key=True),
    _enum("role"),
    _text("user_id"),
    _text("secret_tail"),
    Column("sources", Text, nullable=False, server_default="[]"),
    _text("display_name"),
    _id("secret_hash"),
    _time("create_time"),
    _text("creator"),
    _time("expire_time", nullable=True),
    _time("revoke_time", nullable=True),
    _time("last_use_time", nullable=True),
    _text("request_id"),
    _text("request_hash"),
)

api_key_district = Table(
    "api_key_district",
    metadata,
    _id("district_id", primary_key=True),
    _id("key_id", primary_key=True),
    Index("api_key_district_by_key", "key_id"),
)
"""The districts that a key is for; '-' is every district."""

tool_right = Table(
    "tool_right",
    metadata,
    _id("district_id", primary_key=True),
    Column("grantee_type", SmallInteger, primary_key=True, autoincrement=False),
    _id("grantee_id", primary_key=True),
    Column("tool", SmallInteger, primary_key=True, autoincrement=False),
    Column("granted", SmallInteger, nullable=False),
)
"""The most that a grantee may do with a tool."""

audit_entry = Table(
    "audit_entry",
    metadata,
    _id("audit_entry_id", primary_key=True),
    _id("district_id"),
    _time("create_time"),
    _id("caller"),
    _enum("principal_type"),
    _text("acting_user_id"),
    _text("client_address"),
    _text("request_id"),
    _id("action"),
    _text("target"),
    Column("before", Text, nullable=False, server_default="{}"),
    Column("after", Text, nullable=False, server_default="{}"),
    _text("salt"),
    _text("commitment"),
    Column("sequence", BigInteger),
    _text("digest"),
    Index("audit_entry_by_time", "district_id", "create_time"),
    Index("audit_entry_by_sequence", "district_id", "sequence"),
    Index(
        "audit_entry_unsealed",
        "district_id",
        sqlite_where=text("sequence IS NULL"),
        postgresql_where=text("sequence IS NULL"),
    ),
)

audit_chain = Table(
    "audit_chain",
    metadata,
    _id("district_id", primary_key=True),
    _count("sequence"),
    _text("digest"),
)
"""Where the chain over a district's audit log ends."""
