//! What can be wrong with a store, and the case that finds it: [`Flaw`].

/// Makes [`Flaw`], and of each flaw a test that the case beside it finds it.
macro_rules! flaws {
    ($($(#[$doc:meta])* $flaw:ident => $case:ident,)*) => {
        /// One way to break the contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Flaw {
            /// The store is whole.
            None,
            $($(#[$doc])* $flaw,)*
        }

        mod is_caught {
            $(
                #[test]
                #[allow(non_snake_case, reason = "named as the flaw is")]
                fn $flaw() {
                    crate::ensure_caught(super::Flaw::$flaw, stringify!($case));
                }
            )*
        }
    };
}

flaws! {
    // Create.
    CreateChecksFirst => two_concurrent_creates_have_one_winner,
    CreateOverwrites => create_on_a_taken_id_changes_nothing,
    CreateRefusesExpired => create_on_the_id_of_an_expired_session_works,
    CreateKeepsWhatExpired => create_on_the_id_of_an_expired_session_works,
    CreateIsTwoSteps => dropped_create_is_whole_or_nothing,
    NobodyIsTheEmptyUser => new_session_without_parts_comes_back_without,
    ClientIsForgotten => new_session_comes_back_with_all_its_parts,

    // Fields and ids.
    NumbersPassThroughFloats => numbers_keep_every_digit,
    NulIsDropped => nul_in_strings_comes_back,
    EmptyNameIsDropped => empty_name_is_a_name,
    NamesAreTrimmed => any_name_comes_back,
    NamesFoldCase => any_name_comes_back,
    LongValuesAreDropped => value_of_a_megabyte_comes_back,
    ManyFieldsAreDropped => thousand_fields_come_back,
    TextIsNormalized => any_json_value_comes_back_character_for_character,
    DeepValuesAreDropped => deep_nesting_comes_back,
    IdsAreCut => ids_that_differ_in_one_bit_are_strangers,
    IdsPassThroughText => ids_of_any_bytes_work,

    // Lifetimes.
    AbsoluteIsIgnored => endless_idle_timeout_ends_with_the_absolute_lifetime,
    IdleIsIgnored => idle_session_expires,
    LifetimesWrap => endless_lifetimes_do_not_wrap,
    NothingIsNoLimit => lifetime_of_nothing_ends_at_once,

    // Load and delete.
    ExpiredIsLoaded => idle_session_expires,
    ExpiryIsLate => session_is_expired_at_the_end_of_its_lifetime,
    LoadTouches => load_writes_nothing,
    LoadTellsNoTime => load_writes_nothing,
    LoadIsTorn => reads_beside_writes_see_whole_versions,
    LoadPanics => missing_session_loads_as_none,
    MissingIsAnError => missing_session_loads_as_none,
    DeleteSaysTrue => delete_is_idempotent_and_says_whether_it_was_there,
    DeleteFindsExpired => delete_of_an_expired_session_says_false,
    DeletedIdsStayTaken => create_after_delete_works,
    DeleteChecksFirst => concurrent_deletes_count_the_session_once,

    // Apply.
    ApplyUpserts => late_apply_after_delete_is_gone,
    ApplyRevivesExpired => late_apply_after_expiry_is_gone,
    ApplyIsBlind => clearing_a_stale_version_is_a_conflict,
    ApplyChecksFirst => sixty_four_exact_increments_give_sixty_four,
    ApplyIsTwoSteps => dropped_apply_is_whole_or_nothing,
    ApplyRestarts => absolute_lifetime_is_not_extended,
    ExactIsPlain => exact_change_of_a_stale_version_is_a_conflict,
    MergeDropsOthers => plain_change_of_a_stale_version_loses_nothing,
    ConflictAppliesPartly => conflict_changes_nothing,
    ConflictIsStale => conflict_carries_the_fresh_record,
    VersionStays => apply_grows_the_version_by_one,
    ClearIsIgnored => clear_removes_all_fields_before_the_edits,
    RestartIsIgnored => restart_begins_the_absolute_lifetime_anew,
    UserIsIgnored => apply_sets_user_and_remember,
    RememberIsIgnored => apply_sets_user_and_remember,
    RemovalsAreIgnored => apply_sets_and_removes_fields,
    DropLeavesALock => dropped_apply_is_whole_or_nothing,

    // Touch.
    TouchUpserts => late_touch_is_gone_and_inserts_nothing,
    TouchRevivesExpired => late_touch_is_gone_and_inserts_nothing,
    TouchBumpsVersion => touch_moves_expiry_and_last_active_and_nothing_else,
    TouchForgetsLastActive => touch_moves_expiry_and_last_active_and_nothing_else,
    TouchRestarts => absolute_lifetime_is_not_extended,
    TouchOutlivesAbsolute => touch_does_not_outlast_the_absolute_lifetime,
    TouchOnlyProlongs => touch_may_shorten_a_session,
    TouchReachesAll => sessions_of_two_ids_are_strangers,
    TouchTakesOut => dropped_touch_delete_and_load_disturb_nobody,
    TouchWritesBack => touches_beside_changes_lose_nothing,

    // Rotate.
    RotateDeletesFirst => rotate_keeps_exactly_one_id_live_for_observers,
    RotateDeletesLater => rotate_keeps_exactly_one_id_live_for_observers,
    RotateKeepsOld => rotate_moves_everything_and_ends_the_old_id,
    RotateIgnoresVersion => rotate_of_a_stale_version_is_a_conflict,
    RotateMergesPlain => rotate_of_a_stale_version_is_a_conflict,
    RotateOverwritesTaken => rotate_to_a_taken_id_leaves_both_whole,
    RotateAnswersTakenFirst => rotate_gives_the_first_answer_that_is_true,
    RotateForgetsTheChange => rotate_applies_its_change_in_the_same_step,
    RotateForgetsTheLayer => layer_of_a_record_is_kept,
    RotateUpserts => rotate_of_a_missing_session_is_gone,
    RotateRestarts => rotate_moves_everything_and_ends_the_old_id,
    RotateMovesWhatWasRead => rotate_moves_what_is_there_and_not_what_was_read,
    RotateRevivesExpired => expired_session_is_missing_for_every_operation,
    RotateChecksFirst => concurrent_rotates_have_one_winner,

    // The limit of a user's sessions.
    LimitIsRacy => limit_that_refuses_is_exact_under_concurrent_logins,
    LimitCountsExpired => expired_sessions_do_not_count,
    LimitEvictsNewest => create_over_the_limit_evicts_the_oldest,
    LimitRefusesByEvicting => create_over_the_limit_is_refused_and_leaves_everything,
    LimitSpansLayers => strangers_do_not_count,
    LimitComesBeforeTaken => taken_comes_before_the_limit,
    TakenEvicts => taken_id_evicts_nobody,
    RotationIsNotCounted => sign_in_by_rotation_keeps_the_limit,
    RotationCountsItself => rotation_does_not_count_the_session_twice,
    RefusedRotationEndsOld => sign_in_by_rotation_keeps_the_limit,
    ConflictEvicts => conflict_evicts_nobody,

    // Index.
    IndexIsHidden => capabilities_are_as_declared,
    ExpiredIsListed => expired_sessions_are_not_listed,
    UsersFoldCase => users_and_layers_match_byte_for_byte,
    UsersSpanLayers => users_of_two_layers_are_strangers,
    UserNeedsNoLayer => user_without_a_layer_has_an_empty_page,
    ListForgetsFields => sessions_are_found_by_layer,
    PagesRepeat => pages_of_any_size_cover_each_session_once,
    PagesCountFromTheStart => pages_go_on_where_sessions_were_removed,
    PagesIgnoreTheLimit => pages_of_any_size_cover_each_session_once,
    CursorPanics => foreign_cursor_shows_no_foreign_session,
    CursorStartsAnew => cursor_of_another_store_gives_an_empty_page,
    CursorOpensAnything => foreign_cursor_shows_no_foreign_session,
    StatsCountExpired => expired_sessions_are_not_listed,
    StatsCountSessionsAsUsers => stats_count_the_live_sessions,

    // Sweep, purge, import and check.
    SweepRemovesLive => sweep_removes_only_expired_sessions,
    SweepIgnoresLimit => sweep_is_bounded_by_its_limit,
    SweepSaysDone => sweep_is_bounded_by_its_limit,
    SweepNeverEnds => more_is_honest,
    SweepChecksFirst => sweep_beside_creates_removes_no_new_session,
    SweepForgetsTouches => sweep_beside_touches_removes_no_live_session,
    SweepCountsTwice => two_sweepers_count_each_session_once,
    PurgeMiscounts => purge_removes_all_sessions_and_counts_them,
    PurgeSparesExpired => purge_counts_expired_sessions_that_are_there,
    PurgeSparesALayer => purge_removes_all_sessions_and_counts_them,
    ImportOverwrites => import_on_a_taken_id_changes_nothing,
    ImportChecksFirst => concurrent_imports_of_one_id_have_one_winner,
    ImportEvicts => import_signs_nobody_out,
    ImportRefusesExpired => expired_record_is_not_imported,
    ImportTakesExpired => expired_record_is_not_imported,
    ImportResetsTheVersion => import_keeps_times_version_and_data,
    ImportRestarts => import_keeps_times_version_and_data,
    CheckCountsExpired => check_of_a_whole_store_finds_it_whole,
    CheckMends => check_of_a_whole_store_finds_it_whole,
    CheckReportsTheWhole => check_of_a_whole_store_finds_it_whole,
    CheckMeetsWriters => check_beside_writers_reports_none_of_them,

    // Secrets.
    DebugShowsFields => debug_shows_no_field,
    PromisesToAnswerAtOnce => store_that_answers_at_once_never_waits,
}
