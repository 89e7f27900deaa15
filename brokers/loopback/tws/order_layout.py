"""The three long layouts: an order as the client sends it (3), an open one (5) and a completed one (101)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from brokers.loopback.tws.layout import Layout, Many, Values, When, fields

CONTRACT12: Final = fields(
    "conId# symbol secType expiry strike% right multiplier exchange primaryExchange currency localSymbol "
    "tradingClass"
)
"""A contract in a request."""
CONTRACT11: Final = fields(
    "conId# symbol secType expiry strike% right multiplier exchange currency localSymbol tradingClass"
)
"""A contract in an answer."""

LEG: Final = fields("conId# ratio# action exchange")
TAG_VALUES: Final = fields("tag value")
_ORDER_LEG: Final = (*LEG, *fields("openClose# shortSaleSlot# designatedLocation exemptCode#"))
_LEG_PRICE: Final = fields("price%")


def _if(name: str, *parts: Layout) -> When:
    """Parts that are there when a text or flag before them is set."""
    return When(lambda v: bool(v.get(name)), tuple(part for layout in parts for part in layout))


def _scaled(values: Values) -> bool:
    step: Decimal | None = values.get("scalePriceIncrement")
    return step is not None and step > 0


def _condition(kind: int, words: str) -> When:
    return When(lambda v: v.get("type") == kind, fields(words))


def _typed(kind: str, words: str) -> When:
    return When(lambda v: v.get("orderType") == kind, fields(words))


_CONDITION: Final[Layout] = (
    *fields("type# conjunction"),
    _condition(1, "isMore? price% conId# exchange triggerMethod#"),
    _condition(3, "isMore? time"),
    _condition(4, "isMore? percent#"),
    _condition(5, "secType exchange symbol"),
    _condition(6, "isMore? volume# conId# exchange"),
    _condition(7, "isMore? changePercent% conId# exchange"),
)
_CONDITIONS: Final[Layout] = (
    Many("conditions", _CONDITION),
    _if("conditions", fields("conditionsIgnoreRth? conditionsCancelOrder?")),
)
_ALGO: Final[Layout] = (*fields("algoStrategy"), _if("algoStrategy", (Many("algoParams", TAG_VALUES),)))
_DELTA_NEUTRAL: Final[Layout] = (
    *fields("deltaNeutralContract?"),
    _if("deltaNeutralContract", fields("dncConId# dncDelta% dncPrice%")),
)
_COMBO: Final[Layout] = (
    Many("legs", _ORDER_LEG),
    Many("legPrices", _LEG_PRICE),
    Many("routing", TAG_VALUES),
)
_SCALE: Final[Layout] = (
    *fields("scaleInitLevelSize# scaleSubsLevelSize# scalePriceIncrement%"),
    When(
        _scaled,
        fields(
            "scalePriceAdjustValue% scalePriceAdjustInterval# scaleProfitOffset% scaleAutoReset? "
            "scaleInitPosition# scaleInitFillQty# scaleRandomPercent?"
        ),
    ),
)
_HEDGE: Final[Layout] = (*fields("hedgeType"), _if("hedgeType", fields("hedgeParam")))
_BENCHMARK: Final = _typed(
    "PEG BENCH",
    "referenceContractId# isPeggedChangeAmountDecrease? peggedChangeAmount% referenceChangeAmount% "
    "referenceExchangeId",
)
_FA: Final[Layout] = (*fields("faGroup faMethod faPercentage"), *fields("faProfile", before=177))
_PEG_TAIL: Final = fields(
    "minTradeQty# minCompeteSize# competeAgainstBestOffset% midOffsetAtWhole% midOffsetAtHalf%", since=170
)

PLACE_ORDER: Final[Layout] = (
    *fields("orderId#"),
    *CONTRACT12,
    *fields("secIdType secId action totalQuantity% orderType lmtPrice% auxPrice%"),
    *fields("tif ocaGroup account openClose origin# orderRef transmit? parentId# blockOrder? sweepToFill?"),
    *fields("displaySize# triggerMethod# outsideRth? hidden?"),
    When(lambda v: v.get("secType") == "BAG", _COMBO),
    *fields("sharesAllocation discretionaryAmt% goodAfterTime goodTillDate"),
    *_FA,
    *fields("modelCode shortSaleSlot# designatedLocation exemptCode# ocaType# rule80A settlingFirm"),
    *fields("allOrNone? minQty# percentOffset% eTradeOnly? firmQuoteOnly? nbboPriceCap% auctionStrategy#"),
    *fields("startingPrice% stockRefPrice% delta% stockRangeLower% stockRangeUpper%"),
    *fields("overridePercentageConstraints? volatility% volatilityType# deltaNeutralOrderType"),
    *fields("deltaNeutralAuxPrice%"),
    _if(
        "deltaNeutralOrderType",
        fields(
            "deltaNeutralConId# deltaNeutralSettlingFirm deltaNeutralClearingAccount "
            "deltaNeutralClearingIntent deltaNeutralOpenClose deltaNeutralShortSale? "
            "deltaNeutralShortSaleSlot# deltaNeutralDesignatedLocation"
        ),
    ),
    *fields("continuousUpdate# referencePriceType# trailStopPrice% trailingPercent%"),
    *_SCALE,
    *fields("scaleTable activeStartTime activeStopTime"),
    *_HEDGE,
    *fields("optOutSmartRouting? clearingAccount clearingIntent notHeld?"),
    *_DELTA_NEUTRAL,
    *_ALGO,
    *fields("algoId whatIf? orderMiscOptions solicited? randomizeSize? randomizePrice?"),
    _BENCHMARK,
    *_CONDITIONS,
    *fields("adjustedOrderType triggerPrice% lmtPriceOffset% adjustedStopPrice% adjustedStopLimitPrice%"),
    *fields("adjustedTrailingAmount% adjustableTrailingUnit# extOperator softDollarName softDollarValue"),
    *fields("cashQty% mifid2DecisionMaker mifid2DecisionAlgo mifid2ExecutionTrader mifid2ExecutionAlgo"),
    *fields("dontUseAutoPriceForHedge? isOmsContainer? discretionaryUpToLimitPrice? usePriceMgmtAlgo?"),
    *fields("duration#", since=158),
    *fields("postToAts#", since=160),
    *fields("autoCancelParent?", since=162),
    *fields("advancedErrorOverride", since=166),
    *fields("manualOrderTime", since=169),
    When(lambda v: v.get("exchange") == "IBKRATS", fields("minTradeQty#", since=170)),
    When(
        lambda v: v.get("orderType") == "PEG BEST",
        fields("minCompeteSize# competeAgainstBestOffset%", since=170),
    ),
    When(
        lambda v: (
            v.get("orderType") == "PEG MID"
            or (v.get("orderType") == "PEG BEST" and v.get("competeAgainstBestOffset") == Decimal("Infinity"))
        ),
        fields("midOffsetAtWhole% midOffsetAtHalf%", since=170),
    ),
)
"""An order, new or changed (3)."""

OPEN_ORDER: Final[Layout] = (
    *fields("orderId#"),
    *CONTRACT11,
    *fields("action totalQuantity% orderType lmtPrice% auxPrice% tif ocaGroup account openClose origin#"),
    *fields("orderRef clientId# permId# outsideRth? hidden? discretionaryAmt% goodAfterTime dead"),
    *_FA,
    *fields("modelCode goodTillDate rule80A percentOffset% settlingFirm shortSaleSlot# designatedLocation"),
    *fields("exemptCode# auctionStrategy# startingPrice% stockRefPrice% delta% stockRangeLower%"),
    *fields("stockRangeUpper% displaySize# blockOrder? sweepToFill? allOrNone? minQty# ocaType# eTradeOnly?"),
    *fields("firmQuoteOnly? nbboPriceCap% parentId# triggerMethod# volatility% volatilityType#"),
    *fields("deltaNeutralOrderType deltaNeutralAuxPrice%"),
    _if(
        "deltaNeutralOrderType",
        fields(
            "deltaNeutralConId# deltaNeutralSettlingFirm deltaNeutralClearingAccount "
            "deltaNeutralClearingIntent deltaNeutralOpenClose deltaNeutralShortSale? "
            "deltaNeutralShortSaleSlot# deltaNeutralDesignatedLocation"
        ),
    ),
    *fields("continuousUpdate# referencePriceType# trailStopPrice% trailingPercent% basisPoints%"),
    *fields("basisPointsType# comboLegsDescrip"),
    *_COMBO,
    *_SCALE,
    *_HEDGE,
    *fields("optOutSmartRouting? clearingAccount clearingIntent notHeld?"),
    *_DELTA_NEUTRAL,
    *_ALGO,
    *fields("solicited? whatIf? status initMarginBefore~ maintMarginBefore~ equityWithLoanBefore~"),
    *fields("initMarginChange~ maintMarginChange~ equityWithLoanChange~ initMarginAfter~ maintMarginAfter~"),
    *fields("equityWithLoanAfter~ commission~ minCommission~ maxCommission~ commissionCurrency warningText"),
    *fields("randomizeSize? randomizePrice?"),
    _BENCHMARK,
    *_CONDITIONS,
    *fields("adjustedOrderType triggerPrice% trailStopPrice2% lmtPriceOffset% adjustedStopPrice%"),
    *fields("adjustedStopLimitPrice% adjustedTrailingAmount% adjustableTrailingUnit# softDollarName"),
    *fields("softDollarValue softDollarDisplay cashQty% dontUseAutoPriceForHedge? isOmsContainer?"),
    *fields("discretionaryUpToLimitPrice? usePriceMgmtAlgo?"),
    *fields("duration#", since=159),
    *fields("postToAts#", since=160),
    *fields("autoCancelParent?", since=162),
    *_PEG_TAIL,
)
"""A working order, or one that has just changed (5)."""

COMPLETED_ORDER: Final[Layout] = (
    *CONTRACT11,
    *fields("action totalQuantity% orderType lmtPrice% auxPrice% tif ocaGroup account openClose origin#"),
    *fields("orderRef permId# outsideRth? hidden? discretionaryAmt% goodAfterTime"),
    *_FA,
    *fields("modelCode goodTillDate rule80A percentOffset% settlingFirm shortSaleSlot# designatedLocation"),
    *fields("exemptCode# startingPrice% stockRefPrice% delta% stockRangeLower% stockRangeUpper%"),
    *fields("displaySize# sweepToFill? allOrNone? minQty# ocaType# triggerMethod# volatility%"),
    *fields("volatilityType# deltaNeutralOrderType deltaNeutralAuxPrice%"),
    _if(
        "deltaNeutralOrderType",
        fields(
            "deltaNeutralConId# deltaNeutralShortSale? deltaNeutralShortSaleSlot# "
            "deltaNeutralDesignatedLocation"
        ),
    ),
    *fields("continuousUpdate# referencePriceType# trailStopPrice% trailingPercent% comboLegsDescrip"),
    *_COMBO,
    *_SCALE,
    *_HEDGE,
    *fields("clearingAccount clearingIntent notHeld?"),
    *_DELTA_NEUTRAL,
    *_ALGO,
    *fields("solicited? status randomizeSize? randomizePrice?"),
    _BENCHMARK,
    *_CONDITIONS,
    *fields("trailStopPrice2% lmtPriceOffset% cashQty% dontUseAutoPriceForHedge? isOmsContainer?"),
    *fields("autoCancelDate filledQuantity% refFuturesConId# autoCancelParent? shareholder imbalanceOnly?"),
    *fields("routeMarketableToBbo? parentPermId# completedTime completedStatus"),
    *_PEG_TAIL,
)
"""An order that is over (101): it has neither order id nor client id."""
