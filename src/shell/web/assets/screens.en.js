// Texts of the screens beyond the overview in English; screens.zh.js has the same keys.

export default {
  skip: "To the content", days_short: "{n} d", to_meter: "Meter", meter_word: "Meter", estimate: "estimate",
  nav: { label: "Screens", overview: "Overview", alarms: "Alarms", map: "Rivers", schedule: "Schedule", meters: "Meters", links: "Comms", records: "Records" },
  pens: {
    window: "Time shown", as_table: "As table", csv: "CSV", time: "time", failed: "no trend: {error}", gap: "no value", table_of: "{name} as a table", picture_of: "{name}: trend over {span}",
  },
  reach: {
    trend: "Trend", trend_note: "band: least to largest · dashed: estimated or foretold · gaps: no value", order: "In order down to the section", order_note: "the wave of a change takes this long from there",
    km: "km", what: "what", name: "name", position: "position", flow: "m³/s", arrives: "arrives", kind: { gate: "gate", gauge: "gauge", in: "joins", out: "leaves" },
    slack: "Limits and their room", slack_note: "the tightest first", limit: "limit", is: "now", bound: "bound", room: "room",
    floor_now: "Floor, now", setpoint_now: "Set point, now", floor_ahead: "Floor, least foretold", floor_day: "Floor, day mean", siren: "siren sounds above",
    balance: "Water balance", balance_note: "what no meter explains, m³/s", foot: "down to", unexplained: "lately", lasting: "over days", missed: "missed", no_balance: "no reservoir is dispatched for this section",
    promise: "Promises to this section fell short by at most {v} m³/s, nearly always.",
  },
  alarmpage: {
    open: "Open alarms", ack_page: "Acknowledge page…", ack_page_title: "Acknowledge what stands on the page", ack_covers: "This covers the {n} alarms below, as they stand here. What came since, or is filtered out, is not covered.", ack_none: "Nothing on the page waits to be acknowledged.",
    priority: "Priority", state: "State", states: { all: "all states", new: "new", acked: "acknowledged", returned: "returned" }, search: "alarm or place", shown: "{n} of {of}", none_pass: "no alarm passes the filter",
    within: "Within", first_out: "FIRST", urgent: "Priority 1 and 2", no_site: "Service", flood: "Alarm flood since {when}: {n} new. First came {first}. Grouped by site; priorities 1 and 2 stand apart.",
    aside: "Set aside", aside_note: "shelved by people, suppressed by design", no_aside: "nothing is set aside", shelved: "shelved", suppressed: "suppressed", holds: "condition holds", gone: "condition has gone",
    shelf_line: "until {until} · {who}: {reason}", parent_line: "told by {parent}", shelve_button: "Shelve…", unshelve_button: "Take back…", shelve: "shelve", shelve_title: "Shelve an alarm", shelve_for: "For how long (8 h at most)",
    shelve_about: "For {for} it does not stand in the list and is listed as set aside. Then it comes back as new, if its condition still holds. Reason: {reason}", unshelve: "take back", unshelve_about: "It stands in the list again, as acknowledged: who takes it back has seen it.",
    numbers: "How good the alarms are", rate: "per 10 min, on average", aim_rate: "aim: 1 at most", most: "most in 10 min", aim_most: "10 are a flood", floods: "floods", aim_floods: "aim: none", raised: "raised in",
    shares_raised: "raised", shares_list: "in the list", shares_aim: "aim",
    journal: "Journal of alarms", journal_note: "from the record, newest first", no_journal: "no alarm in this time", time: "time", change: "what", alarm: "alarm", by: "by",
    changes: { raised: "raised", returned: "gone, unseen", acknowledged: "acknowledged", ended: "ended", shelved: "shelved", unshelved: "taken back", suppressed: "suppressed" },
  },
  within: { now: "at once", hour: "within the hour", shift: "within the shift", day: "by the next working day" },
  links: {
    title: "Communications", note: "counted since the start of the service", link: "link", state: "state", reply: "last reply", p50: "p50 ms", p99: "p99 ms", requests: "requests", timeouts: "time-outs", exceptions: "exceptions", mismatches: "mismatches",
    broken: "broken", connects: "reconnects", writes: "writes", lag: "behind", late: "late", sum: "{up} of {total} links up · {silent} units silent", choose: "Choose a link to see its devices and the last frames.", failed: "no answer: {error}",
    about: {
      state: "state of the connection", reply: "age of the newest valid reply", p50: "half of the replies came within", p99: "99 of 100 replies came within", requests: "requests sent", timeouts: "requests without an answer in time; in brackets those that came late",
      exceptions: "Modbus exceptions, code × count", mismatches: "replies that fit no request, or of another unit", broken: "frames that are none: noise, cut replies, wrong checksum", connects: "connections opened after the first", writes: "writes sent; in brackets watchdog writes answered", lag: "newest read behind its due time",
    },
    states: { starting: "starting", up: "up", mute: "MUTE", down: "DOWN" }, units: { starting: "starting", ok: "answers", degraded: "MISSES", down: "SILENT" },
    device: "device", unit: "unit", failures: "missed in a row", frames: "Last frames", frames_note: "service time, direction, bytes", again: "Again", no_frames: "no frame yet", frames_who: "Frames are for engineers and administrators.", fact_bytes: "{in} received, {out} sent", last_error: "newest error",
  },
  records: {
    title: "Action log", note: "each row opens with its inputs", kind: "Kind", kinds: { acts: "moves, refusals, people", moves: "moves", refusals: "refusals", people: "acts of people", notes: "notes", decisions: "decisions", alarms: "alarms", service: "service" },
    kind_of: {
      boot: "start", intent: "command", "late-intent": "command", outcome: "outcome", refusal: "refusal", decision: "decision", plan: "plan", snapshot: "snapshot", operator: "act", order: "order", config: "configuration", alarm: "alarm", lease: "operate lease", clock: "clock", recovered: "recovered", checkpoint: "checkpoint", trim: "segments removed", stop: "stop", forecast: "forecast", notice: "notice", note: "note",
    },
    all_gates: "all gates", shift: "Notes and hand-over of the shift", who: "who", from: "from", to: "to", find: "Find", busy: "reading…", none: "no record passes", count: "{n} rows, records {from} to {to}", newer: "← newer", older: "older →",
    number: "no.", time: "time", what: "what", end: "end", why: "why", full: "The record with the inputs of its decision, as stored:",
    reports: "Reports", reports_note: "open in a page of their own", no_reports: "no report yet; the first bulletin comes after the first whole day", report: { daily: "Daily bulletin", gates: "Gate record", orders: "Dispatch log", monthly: "Attainment", yearly: "Attainment", attainment: "Attainment" },
    samples: "Samples as CSV", samples_note: "times in UTC", series: "Series", series_of: { section: "Sections", meter: "Meters", gate: "Gates (position)" }, fineness: "How finely", by: { samples: "as kept", minutes: "by minute", hours: "by hour" }, take: "Download",
  },
  meters: {
    title: "Meters", note: "can this reading be trusted", search: "meter or place", not_good: "not good only", name: "meter", kind_word: "measures", place: "where", value: "value", quality: "quality", kind: { river_flow: "flow", structure_flow: "flow", level: "level", rain: "rain" },
    raw: "raw", scaling: "scaled by", register: "register", device: "device", last_good: "last good", accuracy: "accuracy", responsible_word: "responsible", derived: "worked out of others",
    principles: { parshall: "Parshall flume", radar_velocity: "radar velocity", rating_curve: "rating curve", transit_time: "transit time", pressure: "pressure", h_adcp: "H-ADCP", weir: "measuring weir", radar_level: "radar level", electromagnetic: "electromagnetic", ultrasonic: "ultrasonic", bubbler: "bubbler", tipping_bucket: "tipping bucket", power: "from power" },
    checks: "Plausibility", checks_note: "a failing one first", check: { reply: "device answers", fresh: "fresh", range: "within range", rate: "not faster than water", sentinel: "not a \"no value\" pattern", twin: "agrees with its twin", rating: "rating curve holds", frozen: "moves" }, hold: "used for {s}", valid_from: "from {date}",
    substitution: "What control uses", sub_none: "The meter itself.", sub_stale: "The last value, until its hold time is over.", sub_manual: "A value entered by a person or computed.", sub_estimate: "The estimate in its place:", sub_nothing: "Nothing: what depends on it holds.",
    history: "Quality, 24 h", history_note: "from the stored samples", history_of: "quality of the last 24 h in {n} stretches, listed below", no_history: "no samples stored of this time", since: "since", lasted: "lasted", trend: "Trend",
  },
  schedule: {
    title: "What runs", note: "a day back, seven ahead · read only, from the configuration", entries: "Entries", what: "what", from: "from", to: "to", rate: "rate", state: "state", states: { over: "over", runs: "RUNS", comes: "to come" },
    nothing: "nothing within {d} days", no_entries: "no entry", locks: "Season locks", no_locks: "no gate is locked by season", gate: "gate", position: "position", rule: "rule today", responsible: "responsible", season: "flood season {from} to {to}",
    may_open: "may open", must_shut: "stays shut", unlock: "opens by {n} signatures for {min} min at most",
  },
  map: { title: "Rivers and structures", note: "drawn from the configuration, flow to the right · m³/s, reservoirs m", section: "section with a floor", reservoir: "reservoir or pond", gate: "gate: filled open, hollow shut", intake: "intakes from here on" },
};
