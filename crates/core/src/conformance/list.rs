//! The list of all cases, from which tests and [`cases`] are made.

use super::{Capability, Case, cases as steps};

/// All cases, for a run that picks some or reports in its own way.
///
/// [`store_conformance!`](crate::store_conformance) makes a test of each.
#[must_use]
pub fn cases() -> Vec<Case> {
    crate::__conformance_list! { __conformance_table }
}

/// Makes a test of each case for a store, plain (in a module `plain`) and as `Arc<dyn Store>` (in a
/// module `boxed`).
///
/// It takes an expression that makes a [`Harness`](crate::conformance::Harness); each test makes its
/// own. The crate that it is used in needs nothing but `tower-keep-core` with its feature
/// `conformance`.
///
/// ```
/// # use std::time::Duration;
/// # use tower_keep_core::{Store, conformance::{Capability, Harness}};
/// # struct MyHarness<S>(fn() -> S);
/// # impl<S: Store> Harness for MyHarness<S> {
/// #     type Store = S;
/// #     async fn open(&self) -> S { (self.0)() }
/// #     async fn advance(&self, _: Duration) {}
/// #     fn capabilities(&self) -> &[Capability] { &[] }
/// # }
/// # fn open() -> std::sync::Arc<dyn Store> { unreachable!() }
/// mod conformance {
///     use super::*;
///
///     tower_keep_core::store_conformance!(MyHarness(open));
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! store_conformance {
    ($harness:expr) => {
        mod plain {
            #[allow(unused_imports, reason = "the harness may be named by its whole path")]
            use super::*;
            $crate::__conformance_list! { __conformance_tests Plain ($harness) }
        }
        mod boxed {
            #[allow(unused_imports, reason = "the harness may be named by its whole path")]
            use super::*;
            $crate::__conformance_list! { __conformance_tests Boxed ($harness) }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($form:ident ($harness:expr) $($module:ident [$needs:expr] { $($name:ident)* })*) => {
        $($(
            #[test]
            fn $name() {
                $crate::conformance::__check(
                    stringify!($name),
                    $crate::conformance::Form::$form,
                    || $harness,
                );
            }
        )*)*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_table {
    ($($module:ident [$needs:expr] { $($name:ident)* })*) => {
        vec![$($(
            Case {
                name: stringify!($name),
                needs: $needs,
                steps: |trial| Box::pin(steps::$module::$name(trial)),
            },
        )*)*]
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_list {
    ($then:ident $($arguments:tt)*) => {
        $crate::$then! {
            $($arguments)*
            offers [None] {
                capabilities_are_as_declared
                debug_shows_no_field
                store_that_answers_at_once_never_waits
            }
            create [None] {
                new_session_comes_back_with_all_its_parts
                new_session_without_parts_comes_back_without
                missing_session_loads_as_none
                load_writes_nothing
                create_on_a_taken_id_changes_nothing
                create_on_the_id_of_an_expired_session_works
                create_after_delete_works
                two_concurrent_creates_have_one_winner
                concurrent_creates_over_an_expired_session_have_one_winner
                sessions_of_two_ids_are_strangers
            }
            json [None] {
                any_json_value_comes_back_character_for_character
                nul_in_strings_comes_back
                numbers_keep_every_digit
                empty_name_is_a_name
                any_name_comes_back
                value_of_a_megabyte_comes_back
                thousand_fields_come_back
                deep_nesting_comes_back
            }
            ids [None] {
                ids_of_any_bytes_work
                ids_that_differ_in_one_bit_are_strangers
                layer_of_a_record_is_kept
            }
            apply [None] {
                apply_grows_the_version_by_one
                apply_sets_and_removes_fields
                clear_removes_all_fields_before_the_edits
                apply_sets_user_and_remember
                restart_begins_the_absolute_lifetime_anew
                late_apply_after_delete_is_gone
                late_apply_after_expiry_is_gone
                late_apply_after_rotate_is_gone
                apply_to_an_id_that_never_was_is_gone
            }
            conflict [None] {
                exact_change_of_a_stale_version_is_a_conflict
                clearing_a_stale_version_is_a_conflict
                change_of_a_later_version_is_a_conflict
                conflict_changes_nothing
                conflict_carries_the_fresh_record
                plain_change_of_a_stale_version_loses_nothing
            }
            touch [None] {
                touch_moves_expiry_and_last_active_and_nothing_else
                touch_does_not_disturb_a_change
                late_touch_is_gone_and_inserts_nothing
                touch_does_not_outlast_the_absolute_lifetime
                touch_may_shorten_a_session
            }
            delete [None] {
                delete_is_idempotent_and_says_whether_it_was_there
                delete_of_an_expired_session_says_false
                delete_is_final
                concurrent_deletes_count_the_session_once
            }
            rotate [None] {
                rotate_moves_everything_and_ends_the_old_id
                rotate_applies_its_change_in_the_same_step
                rotate_moves_what_is_there_and_not_what_was_read
                rotate_of_a_stale_version_is_a_conflict
                rotate_of_a_missing_session_is_gone
                rotate_to_a_taken_id_leaves_both_whole
                rotate_to_the_id_of_an_expired_session_works
                rotated_session_can_be_rotated_again
                rotate_gives_the_first_answer_that_is_true
            }
            rotate_race [None] {
                rotate_keeps_exactly_one_id_live_for_observers
                concurrent_rotates_have_one_winner
                concurrent_rotates_to_one_id_have_one_winner
                rotate_among_writers_loses_no_change
            }
            race [None] {
                sixty_four_exact_increments_give_sixty_four
                fifty_plain_inserts_of_different_fields_all_land
                touches_beside_changes_lose_nothing
                reads_beside_writes_see_whole_versions
                delete_among_writers_is_final
                delete_beside_rotate_leaves_one_answer
            }
            expiry [None] {
                idle_session_expires
                session_is_expired_at_the_end_of_its_lifetime
                use_keeps_a_session_alive
                absolute_lifetime_is_not_extended
                restart_extends_the_absolute_lifetime
                expired_session_is_missing_for_every_operation
                endless_lifetimes_do_not_wrap
                endless_idle_timeout_ends_with_the_absolute_lifetime
                lifetime_of_nothing_ends_at_once
            }
            dropped [None] {
                dropped_create_is_whole_or_nothing
                dropped_apply_is_whole_or_nothing
                dropped_rotate_leaves_exactly_one_id
                dropped_touch_delete_and_load_disturb_nobody
            }
            model [None] {
                random_sequences_behave_as_the_model
            }
            index [Some(Capability::Index)] {
                sessions_are_found_by_user
                sessions_are_found_by_layer
                users_of_two_layers_are_strangers
                user_without_a_layer_has_an_empty_page
                users_and_layers_match_byte_for_byte
                parts_of_layer_and_user_do_not_mix
                listing_follows_every_change
                expired_sessions_are_not_listed
                stats_count_the_live_sessions
            }
            pages [Some(Capability::Index)] {
                pages_of_any_size_cover_each_session_once
                cursor_survives_as_text
                pages_go_on_where_sessions_were_removed
                pages_cover_each_session_once_while_others_come_and_go
                foreign_cursor_shows_no_foreign_session
                cursor_of_another_store_gives_an_empty_page
            }
            user_limit [Some(Capability::Index)] {
                create_over_the_limit_evicts_the_oldest
                create_over_the_limit_is_refused_and_leaves_everything
                limit_that_is_not_reached_evicts_nobody
                strangers_do_not_count
                expired_sessions_do_not_count
                taken_id_evicts_nobody
                sign_in_by_rotation_keeps_the_limit
                rotation_does_not_count_the_session_twice
                conflict_evicts_nobody
                taken_comes_before_the_limit
            }
            user_limit_race [Some(Capability::Index)] {
                limit_that_refuses_is_exact_under_concurrent_logins
                limit_that_evicts_is_exact_under_concurrent_logins
            }
            sweep [Some(Capability::Sweep)] {
                sweep_removes_only_expired_sessions
                sweep_is_bounded_by_its_limit
                more_is_honest
                session_that_was_prolonged_is_not_swept
                session_that_was_created_anew_is_not_swept
                two_sweepers_count_each_session_once
                sweep_beside_touches_removes_no_live_session
                sweep_beside_creates_removes_no_new_session
                swept_session_is_gone
            }
            purge [Some(Capability::Purge)] {
                purge_removes_all_sessions_and_counts_them
                purge_counts_expired_sessions_that_are_there
                purge_of_nothing_counts_nothing
                store_works_after_a_purge
            }
            import [Some(Capability::Import)] {
                import_keeps_times_version_and_data
                import_signs_nobody_out
                import_of_a_record_without_end_works
                import_on_a_taken_id_changes_nothing
                import_over_an_expired_session_works
                expired_record_is_not_imported
                concurrent_imports_of_one_id_have_one_winner
            }
            check [Some(Capability::Check)] {
                check_of_a_whole_store_finds_it_whole
                check_beside_writers_reports_none_of_them
            }
        }
    };
}
