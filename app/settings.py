"""All settings: the engine's sections and the application's, from one TOML file and the environment.

Precedence, strongest first: command line, environment (`BREAKWATER__SECTION__KEY`), file, defaults. Whatever
is unknown, of the wrong type or out of range refuses the whole configuration and is listed (`BadConfig`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.credentials import Secrets, gather
from app.desk import keymap, themes
from app.paging.config import AlertsConfig
from app.problems import BadConfig, Problem, from_validation
from app.schema import Loc
from app.sources import Tree, TreeSource, floats_in_params, read_environment, read_toml
from brokers.exchange.config import ExchangeConfig
from brokers.ib.config import IbConfig
from engine.config import EngineConfig, RiskLimits
from engine.section import Section

PLANNED_BROKERS = (
    "binance",
    "bybit",
    "okx",
    "kraken",
    "coinbase",
    "hyperliquid",
    "fix",
    "rithmic",
    "mt5",
)
"""Brokers that are known by name and not built yet."""

_trees: ContextVar[tuple[Tree, ...]] = ContextVar("trees", default=())
"""What `load` has read, strongest first, for the model that is being made."""


class FeedConfig(Section):
    """Where market data comes from."""

    source: str = Field("synthetic", min_length=1, max_length=4096)
    """`synthetic` (a seeded market in ES, NQ, GC and a crypto perpetual), `synthetic:ES,NQ`, `replay:FILE` or
    `replay:FILE,FILE` (.csv or .csv.gz), `exchange:SOCKET` (market data and orders go to a `breakwater
    exchange` there), `ib` (Interactive Brokers, with broker = ib), `ib-loopback` (the same adapter, against a
    gateway that is started beside it). synthetic, because it needs no data and no account."""
    speed: Decimal | Literal["max"] = Decimal(1)
    """Multiple of real time, above 0, or `max`: as fast as the machine can, in virtual time. 1, because that
    is what trading looks like. Only a replay or the synthetic market can be sped up."""
    on_bad_line: Literal["skip", "stop"] = "skip"
    """What a malformed line of a recording does: skip (counted and reported) or stop. skip, because one bad
    line in a day is common."""

    @field_validator("speed")
    @classmethod
    def _above_zero(cls, speed: Decimal | str) -> Decimal | str:
        if isinstance(speed, Decimal) and not 0 < speed <= 100_000:
            raise ValueError(f'{speed} is out of range; allowed: number above 0 up to 100000, or "max"')
        return speed


class PaperConfig(Section):
    """The paper broker: the simulated exchange in this process."""

    cash: Decimal = Field(Decimal(1_000_000), gt=0, le=Decimal("1e12"))
    """Account currency. Cash that a new paper account starts with; enough for the margin of the default
    limits, so that these are met first."""
    exchange: ExchangeConfig = ExchangeConfig()
    """Latency, depth, limits and faults of the simulated exchange."""


class LogConfig(Section):
    """The log: one JSON object a line."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is written; info, because an order's story is told at that level."""
    to: Literal["file", "stdout", "both"] = "file"
    """file: `breakwater.jsonl` in the state directory's `log`; stdout: for service managers, because they
    keep what is written there. The desk always writes to the file, because the screen belongs to it."""
    rotate_mb: int = Field(20, ge=1, le=10_000)
    """Megabytes at which a new file is begun, so that each can still be opened in an editor."""
    keep: int = Field(10, ge=1, le=1_000)
    """Files that are kept, the current one included; older ones are removed, so that the log cannot fill the
    disk. 10 of 20 MB hold some weeks."""


class DeskConfig(Section):
    """The screen."""

    theme: str = Field("cvd", pattern=r"^[A-Za-z0-9_./~-]{1,4096}$")
    """Name of a theme (cvd, dark, light, high-contrast, sixteen, red-up), of one of your own
    (themes/NAME.toml beside the default configuration), or path of a theme file. cvd, because it can be
    told apart with every kind of colour vision."""
    keymap: str = Field("", pattern=r"^[A-Za-z0-9_./~-]{0,4096}$")
    """Name of a keymap (vim), of one of your own (keymaps/NAME.toml beside the default configuration), or
    path of a file. Empty, because the keys of the documentation are then those of the screen."""
    glyphs: Literal["auto", "unicode", "ascii"] = "auto"
    """Whether the screen shows more than ASCII. auto: ASCII where the locale's character set is not UTF-8, or
    the terminal (TERM) has not the glyphs, as the Linux console; so that nothing shows as boxes."""
    zone: str = Field("America/Chicago", max_length=64)
    """Time zone of the clock and of the times on the screen, by name; that of the exchange, because sessions
    are told in it, or UTC."""
    bell: bool = True
    """Whether a new alarm rings the terminal's bell once; on, because nobody looks at a screen all day."""
    notify: Literal["no", "osc9", "osc777"] = "no"
    """Whether a new alarm also asks the terminal for a notification of the desktop, and in which of the two
    languages that terminals know (OSC 9: iTerm2, kitty, WezTerm, Windows Terminal; OSC 777: urxvt, foot). no,
    because others print it."""
    mouse: bool = True
    """Whether the screen takes the mouse: clicks select, the wheel scrolls. On, because they cannot send
    anything; off, the terminal's own selecting and copying works without a further key."""
    safe_after: float = Field(10.0, ge=0, le=1440)
    """Minutes without a key after which an ARMED desk is SAFE again and only previews orders; 0: never. Ten,
    because a desk that nobody looks at should not send what falls onto its keyboard."""
    sizes: dict[str, Decimal] = Field(default_factory=dict)
    """Number of contracts or coins, by symbol, of an order entered with one key; `"*"` for all others.
    Default: one lot, the least that can be traded, because a slip should be small."""
    slow: bool = False
    """For thin links: half the frames, and the terminal's own sixteen colours, which take half the bytes.
    Off, because most links carry all of it."""

    def looks(self) -> dict[str, Any]:
        """What every way to show the desk takes of this, as arguments of `app.desk.options.DeskOptions`."""
        return {
            "theme": self.theme,
            "zone": self.zone,
            "bell": self.bell,
            "notify": self.notify,
            "mouse": self.mouse,
            "plain": self.slow,
            "glyphs": self.glyphs,
            "keymap": self.keymap,
            "safe_after": self.safe_after * 60,
            "sizes": self.sizes,
        }

    @field_validator("theme")
    @classmethod
    def _can_be_loaded(cls, theme: str) -> str:
        try:
            themes.load(theme)
        except themes.BadTheme as error:
            raise ValueError(str(error)) from error
        return theme

    @field_validator("keymap")
    @classmethod
    def _has_no_conflicts(cls, name: str) -> str:
        try:
            keymap.load(name)
        except keymap.BadKeymap as error:
            raise ValueError(str(error)) from error
        return name

    @field_validator("zone")
    @classmethod
    def _exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"there is no time zone {zone!r}; allowed: names such as America/Chicago or UTC"
            ) from error
        return zone


class LiveConfig(Section):
    """The second of three keys to live trading; the third is typed at start."""

    account: str = Field("", max_length=32, pattern=r"^[A-Za-z0-9_-]*$")
    """The account id again, as in `account`; must match when profile is live, so that one changed key never
    reaches live trading. Never enough by itself."""


class CredentialsConfig(Section):
    """Where secrets are looked for, beside the environment (BREAKWATER_BROKER_PASSWORD …), which wins. They
    are never read from this file."""

    file: str = Field("", max_length=4096)
    """Path of a file with lines `name = value`; empty: none. It must belong to you and have mode 0600,
    because whoever reads it can trade."""
    keyring: bool = False
    """Whether the system's keyring is asked (service `breakwater`); needs the extra `keyring`. Off, because
    servers have none."""


class PromotionConfig(Section):
    """What moving up to the next stage demands, beside drills passed with this build and these settings."""

    paper_days: int = Field(14, ge=0, le=3650)
    """Days. Served on paper before any higher stage, because two weeks show most of what a market does."""
    shadow_days: int = Field(0, ge=0, le=3650)
    """Days. Served as shadow before pilot and live; 0 by default, because it takes a broker's market data to
    shadow: set it where you have them."""
    pilot_days: int = Field(30, ge=0, le=3650)
    """Days. Served as pilot, with real money, before live, so that the first mistakes are small ones."""
    pilot_lots: int = Field(1, ge=1, le=1_000)
    """Lots. Largest position of a pilot in any instrument, whatever the limits say, also after a reload,
    because a pilot is there to learn and not to earn."""
    day_hours: float = Field(1.0, ge=0, le=24)
    """Hours that an engine must have run on a day (UTC, in real time) for it to count as served, so that a
    start and a stop are no day."""
    evidence: tuple[str, ...] = ()
    """Further state directories whose journals and drills count, beside the run's own and the paper one, so
    that what another machine has shown is not lost."""


class Settings(BaseSettings, EngineConfig):
    """Everything that can be set. Make it with `load`; `Settings()` is the defaults and reads nothing."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    profile: Literal["paper", "live"] = "paper"
    """paper: simulated money; live: real money, which takes a live broker, live.account equal to account, and
    the account id typed at start (headless: --i-understand-this-is-live ACCOUNT), because a slip must not
    cost money."""
    stage: Literal["paper", "shadow", "pilot", "live"] = "paper"
    """How far you have come: paper, shadow (the broker's market, and orders that never leave this process),
    pilot (promotion.pilot_lots at the most) or live. Each but paper has a gate: 'breakwater doctor' shows
    what is missing, because a system should be watched before it is trusted with more."""
    promotion: PromotionConfig = PromotionConfig()
    broker: Literal["paper", "ib"] = "paper"
    """Which broker trades: paper, or ib (Interactive Brokers, with feed.source = ib). Others are refused,
    because they are not built yet."""
    seed: int = Field(1, ge=0, le=2**63 - 1)
    """Seed of everything that is drawn by chance (synthetic market, paper exchange), so that the same seed
    and input give the same journal."""
    feed: FeedConfig = FeedConfig()
    paper: PaperConfig = PaperConfig()
    ib: IbConfig = IbConfig()
    log: LogConfig = LogConfig()
    alerts: AlertsConfig = AlertsConfig()
    desk: DeskConfig = DeskConfig()
    live: LiveConfig = LiveConfig()
    credentials: CredentialsConfig = CredentialsConfig()
    secrets: Secrets = Field(default=Secrets(), repr=False, exclude=True)

    built_brokers: ClassVar[tuple[str, ...]] = ("paper", "ib")

    @field_validator("broker", mode="before")
    @classmethod
    def _built(cls, broker: object) -> object:
        if broker in cls.built_brokers:
            return broker
        known = (
            f"'{broker}' is not built yet" if broker in PLANNED_BROKERS else f"there is no broker '{broker}'"
        )
        raise ValueError(f"{known}; allowed: one of {', '.join(cls.built_brokers)}")

    @model_validator(mode="after")
    def _ib_is_broker_and_feed(self) -> Settings:
        if (self.broker == "ib") != (self.feed.source == "ib") and self.feed.source != "ib-loopback":
            raise ValueError(
                f"broker = ib trades on IB's own market data, so that both go together: broker is "
                f"{self.broker} and feed.source is {self.feed.source}; set both to ib, or neither"
            )
        if self.broker == "ib" and self.feed.source == "ib" and not self.ib.contracts:
            raise ValueError("broker = ib needs the contracts that are traded; name them in ib.contracts")
        if self.broker == "ib" and self.connections:
            raise ValueError("broker = ib has one connection, ib.host and ib.port; leave connections out")
        return self

    @model_validator(mode="after")
    def _addresses_lead_somewhere(self) -> Settings:
        far = [c.name for c in self.connections if c.address]
        if far and not self.feed.source.startswith("exchange:"):
            raise ValueError(
                f"connections: {', '.join(far)} has an address, but the exchange is in this process; leave "
                "the address out, or set feed.source = exchange:ADDRESS"
            )
        return self

    @model_validator(mode="after")
    def _live_takes_more_than_one_key(self) -> Settings:
        if self.profile == "live":
            if self.broker == "paper":
                raise ValueError(
                    "profile = live needs a broker that trades live, and broker is paper; "
                    "set profile = paper, or name the broker"
                )
            if self.live.account != self.account or self.account == "PAPER":
                raise ValueError(
                    "profile = live needs the account id in account and, the same, in live.account "
                    f"(they are '{self.account}' and '{self.live.account}'; PAPER is no live account)"
                )
            if self.journal.durability != "power":
                raise ValueError(
                    "profile = live needs journal.durability = power: orders survive a power cut"
                )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours names what it cannot use
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, *(TreeSource(settings_cls, tree) for tree in _trees.get()))

    def engine_config(self) -> EngineConfig:
        """The engine's sections alone."""
        return EngineConfig.model_construct(
            **{name: getattr(self, name) for name in EngineConfig.model_fields}
        )


def load(
    path: Path | None,
    env: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    model: type[Settings] = Settings,
) -> Settings:
    """Reads the file (None: there is none) and the environment. `overrides` are the command line's, by dotted
    key. Raises `BadConfig` with every problem that was found."""
    file_tree: Tree = {}
    problems: list[Problem] = []
    default = "defaults"
    if path is not None:
        file_tree, problems = read_toml(path, model)
        default = str(path)
    env_tree, where, env_problems = read_environment(env, model)
    problems += env_problems
    line_tree: Tree = {}
    for key, value in (overrides or {}).items():
        steps = tuple(key.split("."))
        node = line_tree
        for step in steps[:-1]:
            node = node.setdefault(step, {})
        node[steps[-1]] = value
        where[steps] = "command line"
    for tree in (file_tree, env_tree):
        floats_in_params(tree)
    settings, more = _validate(model, (line_tree, env_tree, file_tree), where, default)
    reported = tuple(p.key for p in problems)
    problems += [  # a key that was taken out because it is wrong is not missing as well
        p for p in more if not ("is missing" in p.text and any(r.startswith(p.key) for r in reported))
    ]
    if settings is not None:
        file = Path(settings.credentials.file).expanduser() if settings.credentials.file else None
        secrets, more = gather(file, settings.credentials.keyring, env)
        problems += more
        if secrets and not problems:
            settings = settings.model_copy(update={"secrets": Secrets.model_validate(secrets)})
    if problems or settings is None:
        raise BadConfig(problems)
    return settings


def _validate(
    model: type[Settings], trees: tuple[Tree, ...], where: Mapping[Loc, str], default: str
) -> tuple[Settings | None, list[Problem]]:
    token = _trees.set(trees)
    try:
        return model(), []
    except ValidationError as error:
        return None, from_validation(error, model, where, default)
    finally:
        _trees.reset(token)


def reload_limits(path: Path | None, env: Mapping[str, str]) -> RiskLimits:
    """The risk limits as they stand now. The whole configuration must be good: raises `BadConfig` otherwise,
    and the caller keeps the limits that it has."""
    return load(path, env).risk


def limits_diff(old: RiskLimits, new: RiskLimits) -> tuple[str, ...]:
    """What a reload changes, one line a key: `max_position: 50 → 20`."""
    return tuple(
        f"{name}: {_text(getattr(old, name))} → {_text(getattr(new, name))}"
        for name in RiskLimits.model_fields
        if getattr(old, name) != getattr(new, name)
    )


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_text(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, Section):
        return _text(value.model_dump(exclude_none=True))
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return "none" if value is None else str(value)


class LiveRefused(Exception):
    """Live trading was not confirmed."""


def confirm_live(settings: Settings, typed: str | None) -> None:
    """The third key: what a person typed (or gave with --i-understand-this-is-live) must be the account id.

    Does nothing for paper, except that a confirmation there is refused too: whoever gives one believes to be
    live. Raises `LiveRefused`.
    """
    if settings.profile != "live":
        if typed is not None:
            raise LiveRefused(
                "--i-understand-this-is-live was given, but the profile is paper; set profile, broker, "
                "account and live.account for live trading, or leave the flag out"
            )
        return
    if settings.live.account != settings.account:
        raise LiveRefused("live.account does not repeat account; nothing is traded")
    if typed is None:
        raise LiveRefused(
            f"live trading of account {settings.account} is not confirmed; on the desk type the account id, "
            f"headless say --i-understand-this-is-live {settings.account}"
        )
    if typed != settings.account:
        raise LiveRefused(f"'{typed}' is not the account id {settings.account}; nothing is traded")
