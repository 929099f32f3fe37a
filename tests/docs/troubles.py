"""Which test causes each trouble of docs/operations.md, and sees what the page says is seen."""

from __future__ import annotations

TROUBLES = {
    "does not start: `unknown key`, `must be …`": "unit/config/test_load.py"
    "::test_a_bad_key_is_named",
    "does not start: `DataDirectoryInUse`": "storage/test_migrate.py"
    "::test_a_second_server_on_a_data_directory_is_refused",
    "does not start: `cannot listen on …`": "end_to_end/test_several_servers.py"
    "::test_a_port_is_shared_only_by_those_who_say_so",
    "does not start: `server.metrics_listen: …`": "unit/observability/test_metrics_endpoint.py"
    "::test_an_address_that_is_taken_is_named",
    "does not start: `server.role`, `server.share_port`": "unit/config/test_main.py"
    "::test_what_needs_several_servers_does_not_start_alone",
    "ends by itself: `ended by a fault`": "end_to_end/test_storage_faults.py"
    "::test_postgresql_that_stays_away_throughout_a_drain",
    "`process ended` with `process_number` and `code`": "end_to_end/test_processes.py"
    "::test_a_process_that_dies_is_followed_by_another_and_nothing_is_lost",
    "does not start: `--processes: …`": "end_to_end/test_processes.py"
    "::test_what_no_process_can_serve_ends_the_server",
    "warning NO_WORKER": "end_to_end/test_several_servers.py"
    "::test_one_server_takes_calls_and_another_sends",
    "does not start: `SchemaTooNew`": "storage/test_migrate.py"
    "::test_the_command_refuses_a_newer_schema_in_one_line",
    "`backup`: is not empty, there is no database, was not copied": "service/test_backup.py"
    "::test_a_backup_that_cannot_be_made_says_why",
    "does not start: `SecretExposed`": "unit/security/test_api_key.py"
    "::test_a_damaged_or_exposed_operator_key_stops_the_start",
    "does not start: `OperatorKeyBroken`": "unit/security/test_api_key.py"
    "::test_a_damaged_or_exposed_operator_key_stops_the_start",
    "the operator gets UNAUTHENTICATED": "service/test_operator_key.py"
    "::test_a_dead_key_file_is_said_aloud_and_the_command_makes_another",
    "FAILED_PRECONDITION / `LAST_ACCESS`": "service/test_handing_out.py"
    "::test_the_last_access_of_a_district_is_not_taken_away_from_within",
    "`work in steps broken off`, `work in steps not finished`": "service/test_unattended.py"
    "::test_a_server_that_ends_breaks_off_what_takes_too_long",
    "callers get UNAUTHENTICATED": "service/test_trouble.py::test_callers_that_are_refused",
    "callers get PERMISSION_DENIED": "service/test_trouble.py::test_callers_that_are_refused",
    "callers cannot connect: certificate": "unit/security/test_tls.py"
    "::test_other_names_or_a_key_without_its_certificate_make_a_new_one",
    "does not start: `…: the file '…' is encrypted`, `is not PEM`, `does not exist`, …": (
        "unit/config/test_credential_files.py::test_a_bad_file_is_a_problem_of_its_setting"
    ),
    "does not start: `storage.url: PostgreSQL at … cannot be reached`": "unit/config/test_main.py"
    "::test_a_database_that_cannot_be_reached_is_named_without_its_password",
    "a new key, certificate or service account is not used": "faults/test_odd_credentials.py"
    "::test_a_bad_file_in_place_of_a_good_one_is_told_and_the_old_one_stays",
    "warning: `server.data_dir`, `everybody … may read the private key`": (
        "unit/security/test_file_watch.py::test_what_others_may_read_is_told_until_they_may_not"
    ),
    "warning: the certificate expired, expires, is not good before": (
        "unit/security/test_file_watch.py::test_an_expired_certificate_is_told"
    ),
    "warning: a push that was never sent is not told from one that may have been": (
        "faults/test_transport.py::test_it_is_known_at_start_whether_what_was_never_sent_is_told"
    ),
    "`background work broke and begins anew` with `task` and frames": "pipeline/test_supervisor.py"
    "::test_work_that_breaks_begins_anew_and_others_go_on",
    "`storage failed background work`": "unit/observability/test_log.py"
    "::test_storage_that_fails_background_work_is_a_warning_without_frames",
    "callers get UNAVAILABLE / `STORAGE_UNAVAILABLE`": "end_to_end/test_storage_faults.py"
    "::test_postgresql_that_is_gone",
    "publishers are not answered, and everything else is": "service/test_storage_health.py"
    "::test_a_lock_that_stops_only_accepting_is_shown",
    "publishers get RESOURCE_EXHAUSTED / `BACKLOG_FULL`": "service/test_trouble.py"
    "::test_a_backlog_that_is_full",
    "callers get RESOURCE_EXHAUSTED / `TOO_MANY_CALLS`": "service/test_trouble.py"
    "::test_callers_that_are_refused",
    "callers with tokens get UNAUTHENTICATED": "service/test_tokens.py"
    "::test_a_forged_token_is_told_nothing_and_a_genuine_one_what_is_wrong",
    "somebody tries keys": "storage/test_key_gate.py"
    "::test_a_flood_of_made_up_keys_reaches_storage_at_a_bounded_rate",
    "`few files may be open`": "end_to_end/test_open_files.py"
    "::test_the_soft_limit_is_raised_to_the_hard_one",
    "callers cannot connect, or only slowly, and the CPU idles": "service/test_limits.py"
    "::test_a_connection_that_does_not_shake_hands_is_closed",
    "callers get INTERNAL": "service/test_middleware.py"
    "::test_a_fault_is_internal_with_a_fixed_text_and_is_logged_without_the_input",
    "a provider cannot be reached": "service/test_trouble.py"
    "::test_a_provider_that_cannot_be_reached_and_its_circuit",
    "a circuit is open": "service/test_trouble.py"
    "::test_a_provider_that_cannot_be_reached_and_its_circuit",
    "the hub cannot be reached": "link/test_link_status.py"
    "::test_what_keeps_a_link_from_coming_up_is_named",
    "the hub is reached and takes nothing": "link/test_link_status.py"
    "::test_a_full_queue_is_flow_control_and_what_waits_leaves_once_there_is_room",
    "attempts are lost on the link": "link/test_lost_attempts.py"
    "::test_what_a_broker_loses_is_passed_on_again",
    "a provider refuses the credentials": "service/test_trouble.py"
    "::test_credentials_that_are_refused",
    "every token of an app is refused": "service/test_trouble.py::test_tokens_that_are_all_refused",
    "an app or project is throttled": "service/test_throttled.py"
    "::test_a_projects_quota_is_trouble_of_its_link_until_it_is_over",
    "a device is throttled": "service/test_trouble.py::test_a_provider_that_throttles",
    "Google cannot pass on to Apple or a browser": "service/test_throttled.py"
    "::test_what_is_wrong_with_one_device_holds_no_other_up",
    "deliveries FAILED": "service/test_dead_letters.py"
    "::test_spent_attempts_end_by_what_is_known_and_a_person_may_send_again",
    "deliveries UNCERTAIN": "service/test_dead_letters.py"
    "::test_spent_attempts_end_by_what_is_known_and_a_person_may_send_again",
    "deliveries EXPIRED": "service/test_dead_letters.py"
    "::test_what_would_be_tried_too_late_ends_at_once_and_is_not_sent_again",
    "one delivery cannot be handled": "faults/test_broken_turns.py"
    "::test_a_turn_that_breaks_leaves_nothing_leased_and_delays_nobody",
    "an answer to a commit was lost": "pipeline/test_orphaned_leases.py"
    "::test_what_nobody_holds_is_given_back_at_the_second_look",
    "a server died": "pipeline/test_lease.py"
    "::test_what_a_dead_server_had_leased_is_taken_back_and_counted",
    "a server stood still": "end_to_end/test_stalls.py"
    "::test_stalls_longer_than_the_lease_strand_nothing",
    "a lease is not renewed": "pipeline/test_lease.py"
    "::test_a_lease_that_is_not_renewed_ends_and_is_taken_anew",
    "a clock ran ahead": "pipeline/test_clock_repair.py"
    "::test_what_was_put_off_waits_no_longer_than_it_was_to",
    "an import does not finish": "service/test_roster_import.py"
    "::test_an_import_that_cannot_be_finished_is_told_and_finished_later",
    "nobody is told": "service/test_trouble.py::test_nobody_is_told_and_since_when",
    "the database grows": "storage/test_janitor.py::test_publishing_goes_on_between_small_steps",
    "watchers get OUT_OF_RANGE / `RESUME_TOKEN_EXPIRED`": "service/test_retention.py"
    "::test_a_position_whose_log_is_gone_is_refused_and_a_live_watch_goes_on",
    "one person is not told": "service/test_explain.py::test_the_command_reads_it_aloud",
    "many devices retired at once": "storage/test_ageing.py"
    "::test_only_a_device_silent_for_too_long_is_retired_and_decisions_know_of_it",
    "a mass false absence": "service/test_back_pressure.py"
    "::test_grades_that_wait_hold_up_grades_and_no_attendance",
    "warning PLAINTEXT": "service/test_settings_service.py"
    "::test_the_page_shows_the_state_of_the_service",
}
"""By the row's first cell: the file under tests/ and the function."""

ALSO = {
    "callers get UNAVAILABLE / `STORAGE_UNAVAILABLE`": (
        "service/test_storage_trouble.py::test_each_task_says_that_storage_fails_it_and_goes_on",
        "pipeline/test_lease.py::test_a_lease_that_is_not_renewed_ends_and_is_taken_anew",
        "pipeline/test_group_commit.py::test_the_victim_of_a_deadlock_is_tried_again",
        "pipeline/test_storage_away.py"
        "::test_leases_are_given_back_and_ended_once_storage_is_there_again",
        "pipeline/test_storage_away.py::test_a_log_that_cannot_be_emptied_is_told",
    ),
    "warning: a push that was never sent is not told from one that may have been": (
        "service/test_trouble.py::test_pushes_of_which_it_is_not_known_whether_they_left",
    ),
    "somebody tries keys": ("service/test_trouble.py::test_callers_that_are_refused",),
    "a circuit is open": (
        "faults/test_circuits.py::test_a_watcher_sees_the_circuit_open_and_close",
    ),
    "a server stood still": (
        "pipeline/test_lease.py::test_what_a_dead_server_had_leased_is_taken_back_and_counted",
    ),
}
"""Further tests of a row, which see another part of what it is shown by."""
