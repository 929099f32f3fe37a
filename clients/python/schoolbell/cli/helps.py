"""What the options of fields say of themselves."""

from __future__ import annotations

from google.protobuf.descriptor import FieldDescriptor

from schoolbell.cli import values

_HELPS = {
    "acting_user_id": "Only what this person did.",
    "adult_consent": "A student of age agreed that this guardian is told.",
    "allow_bar_loss": "Bars of the source may be lifted.",
    "api_key_id": "The key.",
    "app_id": "The app, by its configured name.",
    "app_ids": "The app, by its configured name; repeat.",
    "app_type": "The sort of app.",
    "audit_retention": "How long the audit log is kept, such as 400d.",
    "calendar_id": "Only of this calendar.",
    "calendar_ids": "Only of this calendar; repeat.",
    "cancel_causes": "What cancelled them; repeat.",
    "change_keys": "This change, as SOURCE/CHANGE_ID; repeat.",
    "comment": "Why, for the record.",
    "condition": "The condition as JSON.",
    "confirm_district_id": "The same id once more.",
    "currency_code": "ISO 4217, such as USD.",
    "detail_level": "The most that a push may say.",
    "device_id": "One device of the person.",
    "device_ids": "Only to this device; repeat.",
    "disabled_term_ids": "A term that shows nothing; repeat.",
    "display_name": "The name for people.",
    "district_ids": "One of its districts; repeat. Default: the one of the call.",
    "enabled": "Whether it is switched on.",
    "end_accept_time": "Only accepted before this time.",
    "end_create_time": "Only written before this time.",
    "end_decide_time": "Only decided before this time.",
    "expire_time": "When it ends by itself; default in a year.",
    "gates": "The gate that refused; repeat.",
    "grantee_id": "Only of this user or group.",
    "guardian_id": "Only of this person.",
    "include_ended": "Also revoked and expired ones.",
    "include_inactive": "Also deactivated ones.",
    "include_retired": "Also retired ones.",
    "installation_id": "The app's own id of this installation.",
    "kinds": "Only of this kind; repeat.",
    "licensed_kinds": "A licensed kind; repeat. Default: all.",
    "locale": "The language, such as en-US or es.",
    "methods": "Only this method, such as schoolbell.v1.RosterService/SetBar; repeat.",
    "muted": "Whether the device is silenced as a whole.",
    "outcomes": "The outcome of the newest attempt; repeat.",
    "page_size": "At most this many.",
    "parent_app_kinds": "A kind that the parents' app shows; repeat.",
    "registration_ref": "Carried in every push.",
    "request_id": "Your id of the request: repeated with it, it is not done again.",
    "role": "What the key may do.",
    "school_id": "Only of this school.",
    "school_ids": "Only of this school; repeat.",
    "school_year": "The school year, by the year in which it ends.",
    "source": "The system whose records they are.",
    "sources": "Only of this source; repeat.",
    "start_accept_time": "Only accepted at or after this time, such as 2026-11-24T08:15.",
    "start_create_time": "Only written at or after this time, such as 2026-11-24T08:15.",
    "start_decide_time": "Only decided at or after this time, such as 2026-11-24T08:15.",
    "states": "Only in this state; repeat.",
    "stay_logged_in": "The user's choice; without it nothing is sent.",
    "student_app_kinds": "A kind that the students' app shows; repeat.",
    "student_id": "Only of this student.",
    "student_ids": "Only of this student; repeat.",
    "subjects": "Only what this was done to, such as settings; repeat.",
    "time_zone": "The IANA time zone, such as America/Chicago.",
    "tool": "Only on this tool.",
    "user_id": "The person.",
    "user_ids": "Only to this person; repeat.",
    "validate_only": "Only check and count; change nothing.",
}


def help_of(field: FieldDescriptor) -> str:
    """Return what an option says of itself."""
    return _HELPS.get(field.name) or f"The {values.words(field.name)}."
