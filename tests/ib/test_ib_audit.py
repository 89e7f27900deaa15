"""What an adapter to Interactive Brokers has to do, duty by duty, with the tests that show it: names of tests
and numbers of conformance cases. What is not met stands below, with the reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.suite import CASES

MET: Final[dict[str, tuple[str | int, ...]]] = {
    "identity: our id in orderRef, permId for good, numbers within a session alone": (
        "test_an_order_of_an_earlier_run_is_known_by_its_reference",
        "test_an_old_number_of_a_new_session_is_another_order",
        "test_a_number_in_use_for_another_permanent_id_is_not_ours",
    ),
    "identity: numbers that are handed out twice are never used twice": (
        "test_numbers_are_never_used_twice",
        "test_numbers_go_on_after_a_crash",
    ),
    "identity: one order that has become two is an alarm and is not changed": (
        "test_a_twin_is_an_alarm_and_is_not_changed",
    ),
    "identity: orders of other clients and by hand are foreign, and count": (
        "test_client_0_sees_orders_by_hand_at_once_and_cancels_them",
        "test_other_clients_see_orders_by_hand_when_they_ask_and_cannot_cancel_one",
        "test_an_order_of_another_client_is_ours_by_name_and_cannot_be_touched",
    ),
    "states: no code and no callback ends an order by itself": (
        "test_a_message_about_a_working_order_leaves_it",
        "test_a_refusal_of_an_order_that_is_there_all_the_same_rejects_nothing",
        "test_no_order_of_callbacks_makes_another_story",
    ),
    "states: Cancelled is provisional, Inactive counts until it is gone": (
        "test_a_fill_beyond_the_cancel_is_told_after_it",
        "test_inactive_is_held_and_counts_until_it_is_gone",
    ),
    "states: Filled without executions makes it ask": ("test_filled_without_executions_makes_it_ask",),
    "states: a market order that IB works as a limit order is followed until its end": (
        "test_a_protected_market_order_is_told_with_its_limit_and_why",
        "test_after_a_lost_line_and_in_a_new_run_the_rest_is_listed_and_cancelled",
        "test_the_kill_is_not_done_while_the_rest_works",
        38,
    ),
    "executions: stem and revision; corrections replace, lower ones are ignored": (
        "test_a_higher_revision_replaces_and_a_lower_one_is_ignored",
        "test_in_any_order_the_highest_revision_stands",
    ),
    "executions: one that may be revised is said": ("test_a_price_that_may_be_revised_is_said",),
    "executions: of unknown orders and after a cancel are told": (
        "test_a_trade_by_hand_is_found_where_we_are_not_the_master_client",
        "test_what_is_held_in_a_contract_that_we_do_not_trade_is_shown",
    ),
    "executions: after a cancel and of unknown orders they stop their instrument": (
        "test_a_late_fill_holds_its_instrument_until_the_broker_agrees",
        "test_an_order_that_waits_for_the_disk_does_not_leave_behind_it",
        "test_a_hold_is_in_the_row_of_its_execution_and_outlives_the_process",
        "test_a_fill_of_an_order_that_is_not_known",
        "test_a_late_fill_of_an_order_that_left_memory_holds_as_well",
        46,
    ),
    "executions: more than an order asked for stops its instrument": (
        "test_an_overfill_stops_what_opens_and_nothing_else",
        "test_the_halt_of_an_overfill_holds_over_restarts_until_a_person_resets_it",
        "test_an_overfill_that_only_an_answer_tells_halts_too",
        157,
    ),
    "commissions: before their execution, unknown, zero, a rebate": (
        "test_a_commission_that_comes_first_waits_for_its_execution",
        "test_a_commission_that_is_unknown_or_nothing_corrects_nothing",
        "test_a_rebate_is_a_negative_fee",
    ),
    "changes: a copy, in force when openOrder shows it, refused below what is filled": (
        "test_a_change_stands_only_when_open_order_shows_it",
        "test_a_refused_change_leaves_the_order_at_its_old_terms",
        "test_an_order_that_was_changed_down_to_what_is_filled_is_done",
    ),
    "cancels: a refused one says nothing of the order": ("test_a_refused_cancel_says_nothing_of_the_order",),
    "global cancel: everybody's orders, by a person's word alone": (
        "test_global_cancel_reaches_everybodys_orders",
        155,
    ),
    "brackets: transmitted with the last; half of one is taken back": (
        "test_of_a_bracket_only_the_last_is_transmitted",
        "test_half_a_bracket_that_the_line_left_in_tws_is_taken_back",
        "test_after_a_kill_half_a_bracket_is_taken_back_and_one_that_filled_is_protected",
        "test_an_entry_leaves_only_with_its_protection_on_disk",
        "test_of_a_bracket_that_the_engine_works_ib_is_told_nothing",
    ),
    "what-if: before orders that open, with a time of its own, in nobody's way": (
        "test_an_order_is_asked_about_in_its_own_time",
        "test_a_what_if_that_is_refused_or_unset_is_a_failed_question",
        "test_without_an_answer_nothing_opens_and_everything_else_goes",
        144,
    ),
    "prices: the rule at our exchange, at this price": (
        "test_the_tick_is_that_of_the_rule_at_our_exchange",
        "test_a_rule_with_several_steps_is_checked_at_the_price",
    ),
    "time in force and account are always explicit": (
        "test_an_order_always_names_account_and_time_in_force",
    ),
    "pacing: three lanes, nothing in the library's queue, no more at work than IB takes": (
        "test_never_more_than_the_limit_in_any_second",
        "test_nothing_waits_in_the_librarys_own_queue",
        "test_no_more_orders_at_work_than_ib_takes",
    ),
    "line: cut, in doubt (1100, 2110), back (1101, 1102), moved (1300), id in use (326), rate (100)": (
        "test_the_line_by_the_codes_of_tws",
        "test_while_tws_has_lost_ib_nothing_is_sent_and_nothing_is_missed",
        "test_a_client_id_in_use_fails_at_once_and_says_so",
        "test_a_message_dropped_for_its_rate_forces_a_comparison",
        "test_a_line_that_dies_with_the_order",
    ),
    "line: farms and data that come back are asked for again; delayed data never pass as live": (
        "test_a_farm_that_comes_back_is_asked_again",
        "test_data_that_were_taken_away_are_asked_for_again",
        "test_delayed_data_never_pass_as_live",
    ),
    "line: silence is found; nights are kept quiet": (
        105,
        "test_in_a_quiet_window_only_cancels_go",
        "test_tws_loses_ib_and_restarts_at_night",
    ),
    "reconciliation: a failed question is unknown, never empty": (
        "test_a_hung_question_fails_and_the_next_is_whole",
        "test_a_hung_log_on_question_is_a_failed_attempt",
        "test_an_order_that_ib_forgot_is_not_read_as_never_sent",
    ),
    "account: full margins, excess liquidity, look-ahead; unset and old are unknown": (
        "test_one_of_several_accounts_is_traded",
        "test_little_excess_liquidity_is_margin_in_use",
        "test_the_margin_of_the_next_change_is_told_where_one_is_announced",
        "test_a_figure_that_is_not_told_is_not_zero",
    ),
    "profit: IB's and ours, the worse counts": (
        "test_the_profit_of_the_day_comes_with_the_account",
        "test_the_brokers_loss_alone_kills",
        "test_an_empty_field_on_the_wire_is_an_unknown_profit",
        145,
    ),
    "contracts: exactly one or a list; front month, first notice, last day": (
        "test_exactly_one_contract_or_a_list",
        "test_a_month_that_delivers_is_left_before_its_first_notice",
        "test_near_its_end_a_contract_is_alarmed_and_only_left",
    ),
    "contracts: rolling is an explicit two-leg action": (
        "test_two_months_of_a_root_are_two_instruments_and_two_contracts",
        "test_one_contract_under_two_names_is_refused",
        "test_a_position_is_rolled_over_the_wire",
        "test_killed_between_the_legs_it_is_ended_with_the_exact_numbers",
        "test_no_order_of_reports_makes_more_risk",
        "test_a_month_in_its_own_last_days_is_no_place_to_go_to",
    ),
    "contracts: price magnifier, missing sides, prices at and below zero": (
        "test_a_price_magnifier_scales_quotes_back",
        14,
    ),
    "edge: read-only, paper and live by the account, decode errors, bursts": (
        "test_read_only_is_seen_by_the_what_if",
        "test_a_live_account_is_refused_for_simulated_money",
        "test_what_cannot_be_decoded_forces_a_comparison",
        "test_of_a_burst_in_one_read_the_last_ticks_are_decoded_alone",
    ),
}
"""Duty: evidence."""

OPEN: Final[dict[str, str]] = {
    "anything on a real TWS": "nothing was tried there: there is none here",
}
"""What is not met, and why."""


@pytest.fixture(scope="module")
def written() -> set[str]:
    found: set[str] = set()
    for file in Path(__file__).parents[1].rglob("test_*.py"):
        found.update(re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE))
    return found


@pytest.mark.parametrize("duty", MET)
def test_each_duty_has_its_evidence(duty: str, written: set[str]) -> None:
    missing = [e for e in MET[duty] if (e not in CASES if isinstance(e, int) else e not in written)]
    assert MET[duty] and not missing, missing


def test_what_is_not_met_has_a_reason() -> None:
    assert all(OPEN.values()) and not set(OPEN) & set(MET)
