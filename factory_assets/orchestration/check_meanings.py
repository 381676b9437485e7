"""What each asset check asserts, in one sentence; the UI shows it beside the verdict.

A name that no asset declares, or a declared name that is missing here, fails the tests.
"""

from types import MappingProxyType

MEANINGS: MappingProxyType[str, str] = MappingProxyType(
    {
        # market
        "data_contract": "Times unique and increasing; prices finite, positive, in order; recomputed from raw rows.",
        "sessions_and_ticks": "Every minute lies in a session by Chicago wall clock, and every price on a tick.",
        "rows_accounted": "Every raw row is a bar, a quarantined row, a copy, or of another delivery month.",
        "quarantine_ceiling": "The quarantined share of the kept months stays under the ceiling of the settings.",
        "quarantine_reasons_recomputed": "Exactly the rows that break a rule are quarantined, under its name.",
        "rolls_forward_only": "The series never returns to an earlier month; adjusted prices make no jump at a roll.",
        "no_foreign_contract": "Every delivery month belongs to the partition's contract.",
        "gaps_hold_no_bar": "Each listed gap lies in one session, is empty, and ends at a bar or the session's edge.",
        "gap_limits_recomputed": "Of 40 waits exactly those above their percentile are listed, recomputed.",
        "gap_explanations_recomputed": "Other months traded in exactly the gaps that say so, by a join on raw minutes; "
        "the calendar explains only the hour before an early close and after a holiday's open.",
        "coverage_accounts_for_bars": "Each bar, traded or not, is counted in its session by Chicago wall clock.",
        "session_shares_steady": "No session's share of traded minutes falls far below those before it; warns.",
        "schedule_is_traded": "Some month trades near every scheduled open and close, or the calendar is wrong; warns.",
        "ladder_equals_minutes": "Every bar of every timeframe equals its minutes, recomputed with pandas.",
        "known_at_close": "Every bar's close_time is scheduled, lies after its last minute, and ends with the session.",
        "volume_conserved": "Each timeframe holds all the volume of the minutes.",
        # features
        "truncation_invariant": "Cutting off everything later leaves each feature unchanged at every cut.",
        "future_perturbation_invariant": "Wild later bars leave each feature unchanged, bit for bit.",
        "lookback_honoured": "The declared look-back alone gives the value of all history, within the tolerance.",
        "scale_invariant": "Prices times 1.37 and 0.731 leave each feature unchanged (the traded group excepted).",
        "finite_after_warmup": "No missing and no infinite value after a feature's warm-up.",
        "no_constant_feature": "Every feature moves.",
        "no_duplicate_features": "No two features correlate above 0.999 on these bars.",
        "volume_use_declared": "Features that read volume say so, change with it and are masked without; no other "
        "feature changes.",
        "regimes_from_earlier_sessions": "Regime parameters estimated again from bars that end before their quarter, "
        "and from bars wild from then on, are the same bit by bit; before the first ones, cells are masked.",
        "regimes_proper": "Three states a quarter by variance, probabilities that sum to 1, quarters without gap.",
        "regimes_known_before": "A quarter has parameters exactly if 120 complete sessions precede it, and from them.",
        "positive_controls_caught": "Features that do look ahead are caught by the same examination.",
        # study
        "study_frozen": "The sessions the study was opened with are still there; without one, none ever was opened.",
        "ledger_intact": "The ledger of openings is chained and equal to its head; without a study there is none.",
        # labels
        "label_contract": "Outcomes recomputed from prices by a path that shares no code with the kernel.",
        "t1_complete": "Every eligible row has an interval that ends by flat time, in its session and month.",
        "costs_once": "Net outcomes are gross ones minus the cost, once.",
        "random_walk_null": "Outcome shares lie near those of a driftless random walk with the same barriers.",
        # splits
        "no_interval_overlap": "Every training interval against every scored one, closed: none meet.",
        "purge_and_embargo_on_clock": "Purge and embargo have their lengths on the clock of scheduled base-bar closes.",
        "no_row_dropped_without_cause": "Only purged and embargoed rows are missing from training.",
        "each_event_tested_once": "Every sampled train decision is scored in exactly one fold.",
        "folds_non_empty": "Every fold trains on something and scores something.",
        "no_row_after_val_end": "No row lies after the study's last val session.",
        # adapters
        "one_shared_index": "The rows are the sampled decisions, each once, in order.",
        "known_at_decision": "Values and windows end with what was known at the decision, recomputed by another path.",
        "windows_cross_no_outage": "Every window, walked back bar by bar, stops at an outage and not before.",
        "windows_clear_of_judged_rows": "No training window after a judged block shows a bar from before its last t1.",
        "no_nan": "Only warm-up masks a cell; no column is empty, none infinite.",
        # models and stacking
        "oof_once_per_row": "Every train decision is predicted exactly once, in the fold the splits say.",
        "oof_rows_unseen": "No row is inside the fit that predicts it; no fitted interval meets a predicted one.",
        "val_once_per_row": "Every val decision is predicted exactly once.",
        "val_rows_unseen": "The fit that predicts val saw train rows only, purged against val.",
        "probabilities_valid": "Probabilities are finite, within 0 and 1, and sum to one.",
        "labels_as_labelled": "Labels beside the predictions equal the labels table by decision time.",
        "scaler_ignores_other_rows": "Noise in every row outside the training part leaves the scaler byte-equal.",
        "scaler_output_finite": "Scaled values are finite and clipped.",
        "choice_ignores_other_rows": "Noise in every row outside the training part leaves the choice unchanged.",
        "columns_within_bounds": "Every fit reads as many columns as its set allows, each eligible, one a cluster.",
        "choices_complete": "Every fit of every base model is in the table; the released ones read what it says.",
        "permuted_labels_at_chance": "With labels permuted by session the same pipeline scores at chance.",
        "stack_rows_complete": "The stack holds every out-of-fold and val decision once.",
        "stack_rows_cross_fitted": "No stack row was predicted by a meta-learner fitted on it.",
        # evaluation
        "trades_never_overlap": "One position at a time.",
        "trades_equal_labels": "Each trade's outcome equals the stored label's for that decision and side.",
        "trades_follow_rule": "Trades are exactly those the rule takes, replayed in plain Python.",
        "profit_adds_up": "Trades, daily P&L and equity tell one sum.",
        "models_share_keys": "All models are scored on the same decisions.",
        "metrics_recomputed": "Headline metrics recomputed by another path.",
        "intervals_contain_values": "Every interval contains its value.",
        "baselines_present": "Every baseline stands in the same table.",
        "no_sealed_decision": "No decision lies past the period it is scored in.",
        "opening_recorded": "The ledger holds this opening, with the digest of what was scored and found.",
        # deployment
        "bundle_verified": "The folder is exactly its manifest, and golden inputs give golden outputs.",
        "parity": "A fresh process with only the bundle and bars equals the batch, decision by decision.",
        "bundle_equals_stack": "The bundle gives the stored val predictions of the stack and its bases.",
        # the night
        "forward_only": "No row lies in the study's period.",
        "refit_recipe_frozen": "Columns, parameters, rounds, meta-learner, theta and m0 are the champion's.",
        "refit_outcomes_agree": "Outcomes fitted on equal labels and forward outcomes; sealed ones are not compared.",
        "refit_sane": "The refit gives finite probabilities of every class on the latest sessions.",
        "refit_near_champion": "The refit's probabilities of the latest sessions lie near the champion's; warns.",
        "scored_once_per_role": "Each sampled forward decision of a role's sessions is scored once in that role.",
        "frozen_before_session": "Each session is scored by the newest release of the role that ended before it.",
        "predictions_recomputed": "Releases loaded anew and asked one decision at a time say the same.",
        "forward_report_recomputed": "Log loss, trades and net P&L recomputed row by row from stored outcomes.",
    }
)
