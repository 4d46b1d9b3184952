// 总览以外各屏的中文文字；screens.en.js 的键与此相同。

export default {
  skip: "跳到内容", days_short: "{n} 天", to_meter: "仪表", meter_word: "仪表", estimate: "估计",
  nav: { label: "各屏", overview: "总览", alarms: "报警", map: "河网", schedule: "计划", meters: "仪表", links: "通信", records: "记录" },
  pens: {
    window: "时段", as_table: "列表", csv: "CSV", time: "时间", failed: "无趋势：{error}", gap: "无值", table_of: "{name}（列表）", picture_of: "{name}：{span} 趋势",
  },
  reach: {
    trend: "趋势", trend_note: "色带：最小至最大 · 虚线：估计或预报 · 空缺：无值", order: "顺流至断面", order_note: "该处变化的波到达断面所需时间",
    km: "km", what: "类别", name: "名称", position: "开度", flow: "m³/s", arrives: "到达", kind: { gate: "闸", gauge: "测站", in: "汇入", out: "取出" },
    slack: "约束与余量", slack_note: "最紧的在前", limit: "约束", is: "现在", bound: "界限", room: "余量",
    floor_now: "下限，现在", setpoint_now: "设定，现在", floor_ahead: "下限，预报最低", floor_day: "下限，日均", siren: "超过须先鸣笛",
    balance: "水量平衡", balance_note: "无仪表可解释的水量，m³/s", foot: "至", unexplained: "近时", lasting: "数日", missed: "误差", no_balance: "无水库为本断面调度",
    promise: "对本断面的承诺，几乎总在 {v} m³/s 以内。",
  },
  alarmpage: {
    open: "当前报警", ack_page: "确认本页…", ack_page_title: "确认本页所列报警", ack_covers: "将确认以下 {n} 条，以此处所示为准；其后新来的和被筛去的不在其内。", ack_none: "本页没有待确认的报警。",
    priority: "优先级", state: "状态", states: { all: "全部状态", new: "未确认", acked: "已确认", returned: "已恢复" }, search: "报警或地点", shown: "{n} / {of}", none_pass: "没有符合筛选的报警",
    within: "时限", first_out: "首发", urgent: "优先级 1、2", no_site: "服务", flood: "报警泛滥，自 {when} 起：{n} 条未确认。首发 {first}。已按站点归组；优先级 1、2 另列。",
    aside: "另置", aside_note: "人工搁置、设计抑制", no_aside: "无另置报警", shelved: "已搁置", suppressed: "已抑制", holds: "条件仍在", gone: "条件已消失",
    shelf_line: "至 {until} · {who}：{reason}", parent_line: "由 {parent} 代表", shelve_button: "搁置…", unshelve_button: "取回…", shelve: "搁置", shelve_title: "搁置报警", shelve_for: "搁置多久（最长 8 h）",
    shelve_about: "{for} 内不在当前报警中，列于另置。到时条件若仍在，以未确认返回。原因：{reason}", unshelve: "取回", unshelve_about: "重新列入当前报警，状态为已确认：取回者已知悉。",
    numbers: "报警质量", rate: "每 10 min 平均", aim_rate: "宜 ≤ 1", most: "10 min 内最多", aim_most: "10 条即泛滥", floods: "泛滥次数", aim_floods: "宜为 0", raised: "发生数，",
    shares_raised: "已发生", shares_list: "清单中", shares_aim: "宜",
    journal: "报警日志", journal_note: "取自记录，新的在前", no_journal: "此时段无报警", time: "时间", change: "变化", alarm: "报警", by: "由",
    changes: { raised: "发生", returned: "恢复，未确认", acknowledged: "已确认", ended: "结束", shelved: "搁置", unshelved: "取回", suppressed: "抑制" },
  },
  within: { now: "立即", hour: "1 小时内", shift: "本班内", day: "下一工作日前" },
  links: {
    title: "通信", note: "自服务启动起计数", link: "链路", state: "状态", reply: "最近应答", p50: "p50 ms", p99: "p99 ms", requests: "请求", timeouts: "超时", exceptions: "异常码", mismatches: "不符",
    broken: "坏帧", connects: "重连", writes: "写帧", lag: "滞后", late: "迟到", sum: "链路 {up} / {total} 正常 · {silent} 个单元无应答", choose: "选择一条链路，查看其设备和最近的帧。", failed: "无应答：{error}",
    about: {
      state: "连接状态", reply: "最近一次有效应答的时龄", p50: "半数应答所用时间以内", p99: "99 % 应答所用时间以内", requests: "已发请求", timeouts: "按时无应答的请求；括号内为迟到的",
      exceptions: "Modbus 异常，码 × 次数", mismatches: "不属任何请求或来自其他单元的应答", broken: "不成帧：噪声、残帧、校验错", connects: "首次以后的连接次数", writes: "已发写帧；括号内为已应答的看门狗写入", lag: "最新一次读取落后于应读时刻",
    },
    states: { starting: "启动中", up: "正常", mute: "无应答", down: "中断" }, units: { starting: "启动中", ok: "应答", degraded: "丢失", down: "无应答" },
    device: "设备", unit: "单元", failures: "连续丢失", frames: "最近的帧", frames_note: "服务时间、方向、字节", again: "刷新", no_frames: "尚无帧", frames_who: "报文仅供工程师和管理员查看。", fact_bytes: "收 {in}，发 {out}", last_error: "最近错误",
  },
  records: {
    title: "操作记录", note: "每行可展开其输入", kind: "类别", kinds: { acts: "动作、拒绝、人员操作", moves: "动作", refusals: "拒绝", people: "人员操作", notes: "值班记事", decisions: "决策", alarms: "报警", service: "服务" },
    kind_of: {
      boot: "启动", intent: "命令", "late-intent": "命令", outcome: "结果", refusal: "拒绝", decision: "决策", plan: "计划", snapshot: "快照", operator: "操作", order: "调度令", config: "配置", alarm: "报警", lease: "操作权", clock: "时钟", recovered: "恢复", checkpoint: "检查点", trim: "清除旧段", stop: "停止", forecast: "预报", notice: "通知", note: "记事",
    },
    shift: "值班记事与交接班", all_gates: "全部闸门", who: "人员", from: "自", to: "至", find: "查询", busy: "读取中…", none: "无符合的记录", count: "{n} 行，记录 {from} 至 {to}", newer: "← 较新", older: "较早 →",
    number: "编号", time: "时间", what: "内容", end: "结果", why: "原因", full: "该记录及其决策输入，按存储原文（英文）：",
    reports: "报表", reports_note: "在新页打开", no_reports: "尚无报表；首个整日之后出第一份日报", report: { daily: "日报", gates: "闸门启闭记录", orders: "调度日志", monthly: "达标率", yearly: "达标率", attainment: "达标率" },
    samples: "采样 CSV", samples_note: "时间为 UTC", series: "序列", series_of: { section: "断面", meter: "仪表", gate: "闸门（开度）" }, fineness: "粒度", by: { samples: "原样", minutes: "按分钟", hours: "按小时" }, take: "下载",
  },
  meters: {
    title: "仪表", note: "读数可信与否", search: "仪表或地点", not_good: "仅不良", name: "仪表", kind_word: "测量", place: "位置", value: "数值", quality: "质量", kind: { river_flow: "流量", structure_flow: "流量", level: "水位", rain: "雨量" },
    raw: "原始值", scaling: "换算", register: "寄存器", device: "设备", last_good: "最近好值", accuracy: "准确度", responsible_word: "责任", derived: "由其他值算得",
    principles: { parshall: "巴歇尔槽", radar_velocity: "雷达测速", rating_curve: "水位流量关系", transit_time: "时差法", pressure: "压力式", h_adcp: "H-ADCP", weir: "量水堰", radar_level: "雷达水位", electromagnetic: "电磁", ultrasonic: "超声", bubbler: "气泡式", tipping_bucket: "翻斗", power: "由功率推算" },
    checks: "合理性检查", checks_note: "未通过的在前", check: { reply: "设备应答", fresh: "新鲜", range: "量程内", rate: "变化不快于水", sentinel: "非“无值”标记", twin: "与并列仪表一致", rating: "水位流量关系有效", frozen: "有变化" }, hold: "可沿用 {s}", valid_from: "自 {date}",
    substitution: "控制所用", sub_none: "仪表本身。", sub_stale: "最近值，至保持时限为止。", sub_manual: "人工输入或计算值。", sub_estimate: "以估计值代替：", sub_nothing: "无：依赖它的保持不动。",
    history: "质量，24 h", history_note: "取自存储的采样", history_of: "近 24 h 质量共 {n} 段，列于下", no_history: "此时段无存储采样", since: "起始", lasted: "持续", trend: "趋势",
  },
  schedule: {
    title: "在行计划", note: "前一日至后七日 · 只读，取自配置", entries: "条目", what: "内容", from: "自", to: "至", rate: "流量 / 开度", state: "状态", states: { over: "已结束", runs: "进行中", comes: "未到" },
    nothing: "{d} 天内无", no_entries: "无条目", locks: "季节锁", no_locks: "无季节锁定的闸门", gate: "闸门", position: "开度", rule: "今日规则", responsible: "责任", season: "汛期 {from} 至 {to}",
    may_open: "可开", must_shut: "保持关闭", unlock: "{n} 人签字可开，最长 {min} min",
  },
  map: { title: "河网与建筑物", note: "按配置绘制，水流向右 · m³/s，水库 m", section: "有下限的断面", reservoir: "水库或塘", gate: "闸：实心为开，空心为关", intake: "自此以下取水" },
};
