//! What both databases must do alike: every test of the modules below runs on SQLite and on Postgres.

mod access;
mod device;
mod event;
mod filter;
mod key_record;
mod lane;
mod media;
mod message;
mod open;
mod outbox;
mod plugin;
mod user;
mod webhook;
mod webhook_headers;

/// Makes a test on each database of every function named.
macro_rules! store_contract {
    ($($area:ident: $($name:ident)+;)*) => {
        store_contract!(@on sqlite Sqlite $($area: $($name)+;)*);
        store_contract!(@on postgres Postgres $($area: $($name)+;)*);
    };
    (@on $module:ident $kind:ident $($area:ident: $($name:ident)+;)*) => {
        mod $module {
            $(mod $area {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    use crate::testing::{Kind, with_db};
                    with_db(Kind::$kind, super::super::$area::$name).await;
                })+
            })*
        }
    };
}

store_contract! {
    access:
        keys_are_found_by_hash_and_listed_newest_first
        a_revoked_key_stays_but_does_not_count
        a_key_changes_its_name_and_scopes_only
        nothing_of_another_tenant_is_found
        an_idempotency_key_stands_for_its_first_use
        rivals_with_one_idempotency_key_make_one_thing
        a_revoked_key_is_not_answered_from_memory
        a_key_of_a_device_goes_with_it
        numbers_count_up_for_each_kind_and_tenant
        preset_keys_are_told_apart_until_they_are_revoked
        tenants_are_listed;
    device:
        a_device_survives_the_round_trip
        a_change_keeps_what_it_does_not_name
        pages_go_back_in_time
        devices_that_should_run_and_that_are_late_are_found
        a_loaded_device_is_locked_until_the_end
        deleting_takes_everything_but_events
        an_unknown_state_is_an_error_that_names_the_row
        a_device_is_answered_from_memory_as_it_is
        refs_are_unique_and_find_their_device
        lists_pass_over_rows_and_count_them;
    event:
        numbers_have_no_gaps_under_rivalry
        what_was_undone_burns_no_number
        events_raised_together_keep_their_order_and_their_lanes
        only_subscriptions_that_want_it_get_a_delivery
        a_subscription_changes_what_is_delivered_from_then_on
        a_list_tells_the_bytes_of_its_payloads
        old_events_go_unless_a_delivery_needs_them;
    key_record:
        writes_apply_in_order
        lists_go_by_prefix_in_byte_order
        many_records_at_once
        a_record_is_taken_once
        expired_records_are_purged_and_all_are_wiped
        sessions_write_side_by_side_and_see_their_writes
        a_write_for_a_missing_device_fails_alone
        a_list_is_whole_or_nothing;
    lane:
        only_the_oldest_of_a_lane_is_claimed
        a_retry_holds_its_lane_back
        what_waits_behind_a_head_comes_along
        a_run_that_fails_leaves_its_lane_in_order
        a_lane_whose_worker_goes_on_is_given_to_nobody_else
        a_run_that_dies_is_made_again
        rival_workers_neither_share_nor_overtake
        random_work_keeps_every_lane_in_order;
    filter:
        text_that_postgres_refuses_is_looked_for_without_it;
    media:
        a_medium_survives_the_round_trip
        a_file_is_fetched_once_for_a_message
        usage_counts_every_medium_of_the_tenant
        a_medium_is_kept_longer_and_never_shorter
        what_expired_goes_oldest_first
        media_of_a_device_go_with_it;
    message:
        a_message_survives_the_round_trip
        a_message_is_stored_once
        lists_filter_and_page
        a_list_tells_the_bytes_of_its_contents
        steps_set_their_time_and_clear_nothing
        the_queue_keeps_its_order
        text_that_postgres_refuses_is_cleaned
        messages_are_found_by_whatsapps_id;
    open:
        rows_survive_closing
        a_database_of_a_newer_version_is_refused
        a_closed_store_is_unavailable
        a_second_gateway_on_one_database_is_refused
        a_second_gateway_migrates_nothing
        many_transactions_wait_for_their_turn;
    outbox:
        a_claim_falls_due_again_when_its_lease_ends
        a_claim_of_one_webhook_passes_over_the_backlog_of_another
        claims_of_a_dead_process_are_released_and_retries_are_not
        finishing_records_attempts
        a_result_for_a_removed_subscription_is_dropped
        a_replay_goes_before_what_came_later
        a_replay_waits_for_what_is_being_tried
        a_replay_that_waited_goes_first_after_a_crash
        a_retry_that_waits_can_be_hurried
        dead_letters_are_replayed_by_span
        a_purged_event_ends_its_delivery
        lists_stats_and_purge;
    plugin:
        versions_and_offers_survive_the_round_trip
        a_tenant_and_each_of_its_devices_decide_once
        values_are_kept_by_scope_and_listed_by_prefix
        a_delivery_remembers_what_shaped_it;
    user:
        users_are_found_by_what_they_log_in_with
        an_account_is_one_users_only
        members_have_devices_until_either_is_gone
        a_change_sets_what_may_change;
    webhook:
        a_webhook_survives_the_round_trip
        a_change_changes_what_it_names
        lists_are_of_a_tenant_or_a_device
        deleting_takes_deliveries_along;
    webhook_headers:
        they_are_stored_sealed
        those_in_the_clear_are_found_until_they_are_sealed
        format_data_in_the_clear_is_found_until_it_is_sealed;
}
