//! The study in words, Chinese or English, and as CSV.

use std::fmt::Write as _;

use super::{
    FEW_YEARS, Frequency, Grade, MONTH_SHARE, Method, Record, Season, Study, Warning, YEAR_MISSES, years_for,
};

/// Language of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// Chinese.
    Zh,
    /// English.
    #[default]
    En,
}

impl Lang {
    fn pick(self, zh: &'static str, en: &'static str) -> &'static str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }
}

/// The study for people.
pub fn text(file: &str, record: &Record, study: &Study, lang: Lang) -> String {
    let mut out = String::new();
    head(&mut out, file, record, study, lang);
    proposals(&mut out, study, lang);
    formulas(&mut out, lang);
    years(&mut out, study, lang);
    let say = |zh, en| lang.pick(zh, en);
    if !study.warnings.is_empty() {
        let _ = writeln!(out, "\n{}", say("注意", "Mind"));
        for warning in &study.warnings {
            let _ = writeln!(out, "  - {}", told(*warning, lang));
        }
    }
    let _ = writeln!(
        out,
        "\n{}",
        say(
            "以上为计算值,不是目标。受上游取水和水库影响的记录给出的是受影响的流量;天然流量请先还原。\n\
             采用的目标写入 basin.toml 的 [section.ID] floor_m3s,分期目标写入 seasonal_floors。",
            "These are computed values, no targets. A record below intakes and reservoirs gives flows as they are with them; \
             for\nnatural flows restore it first. A target that is adopted goes into basin.toml, [section.ID] floor_m3s, and by\n\
             season into seasonal_floors."
        )
    );
    out
}

fn head(out: &mut String, file: &str, record: &Record, study: &Study, lang: Lang) {
    let (from, to) = study.span;
    let (days, due) = study.days;
    let complete = 100.0 * super::float(days) / super::float(due.max(1));
    let whole = study.driest().len();
    let sevens = study.sevens().len();
    let mean = study.mean.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.3}"));
    let begins = study.year_begins;
    let column = &record.column;
    let _ = match lang {
        Lang::Zh => writeln!(
            out,
            "{file}({column}):{from} 至 {to},应有 {due} 天,实有 {days} 天,完整率 {complete:.1} %\n\
             年度自 {begins} 月起(默认取最丰月,使枯水期不被分割)\n\
             最枯月有效年数 {whole},连续七天最小流量有效年数 {sevens}\n\
             多年平均流量 {mean} m³/s(十二个月多年月均值的平均)"
        ),
        Lang::En => writeln!(
            out,
            "{file} ({column}): {from} to {to}, {days} of {due} days with a value, {complete:.1} % complete\n\
             Years begin with month {begins} (by default the wettest, so that no low-water season is cut in two)\n\
             {whole} years count for the driest month, {sevens} for the least seven days\n\
             Mean annual flow {mean} m³/s (mean of the twelve means by calendar month)"
        ),
    };
}

fn proposals(out: &mut String, study: &Study, lang: Lang) {
    let say = |zh, en| lang.pick(zh, en);
    let _ = writeln!(out, "\n{}", say("建议值", "Proposals"));
    let _ = writeln!(out, "  {:>9}  {:>7}  {}", "m³/s", say("占均值", "of mean"), say("方法", "method"));
    for proposal in &study.proposals {
        let flow = proposal.flow.map_or_else(|| "-".to_owned(), |flow| format!("{flow:.3}"));
        let share = share(study, proposal.flow).map_or_else(String::new, |share| format!("{share:.1} %"));
        let _ = writeln!(
            out,
            "  {flow:>9}  {share:>7}  {}{}",
            method(proposal.method, lang),
            season(proposal.season, lang)
        );
    }
}

fn share(study: &Study, flow: Option<f64>) -> Option<f64> {
    let mean = study.mean.filter(|mean| *mean > 0.0)?;
    Some(100.0 * flow? / mean)
}

fn formulas(out: &mut String, lang: Lang) {
    let (ninety, ninety_five) = (years_for(0.1), years_for(0.05));
    let month = 100.0 * MONTH_SHARE;
    let _ = match lang {
        Lang::Zh => writeln!(
            out,
            "\n公式\n\
             \x20 Tennant(1976):Q = k · 多年平均流量,k 见 Tennant 表 1,分 10—3 月与 4—9 月\n\
             \x20 最枯月:各年最枯月平均流量(某月至少 {month:.0} % 的天有值,十二个月齐全的年计入)\n\
             \x20 经验频率(Weibull):P = m/(n + 1),相邻点间线性内插;P = 90 % 需 {ninety} 年,95 % 需 {ninety_five} 年\n\
             \x20 P-III(矩法):Q = x̄ + K(p, Cs) · s,Cs 无偏,K 由 Γ 分布精确计算\n\
             \x20 7Q10:各年连续七天最小平均流量(年缺测不超过 {YEAR_MISSES} 天),十年一遇,不及概率 p = 0.1;\n\
             \x20   Weibull 或对数 P-III:lg Q = 均值 + K(p, Cs) · s;断流年比例 d 按条件概率 p' = (p − d)/(1 − d)"
        ),
        Lang::En => writeln!(
            out,
            "\nFormulas\n\
             \x20 Tennant (1976): Q = k · mean annual flow, k by his table 1, October to March and April to September\n\
             \x20 Driest month: least monthly mean of each year (months with {month:.0} % of their days, years with all twelve)\n\
             \x20 Weibull: P = m/(n + 1), straight between ranks; 90 % needs {ninety} years, 95 % needs {ninety_five}\n\
             \x20 Pearson III by moments: Q = mean + K(p, skew) · s, skew without bias, K from the gamma distribution\n\
             \x20 7Q10: least mean of seven days in a row of each year (at most {YEAR_MISSES} days missing), not reached once in ten\n\
             \x20   years, p = 0.1; Weibull, or log-Pearson III: lg Q = mean + K(p, skew) · s; with a share d of years without\n\
             \x20   flow p' = (p − d)/(1 − d)"
        ),
    };
}

fn years(out: &mut String, study: &Study, lang: Lang) {
    let say = |zh, en| lang.pick(zh, en);
    let _ = writeln!(
        out,
        "\n{}\n  {:>5} {:>5} {:>6} {:>9} {:>9}",
        say("逐年", "Years"),
        say("年", "from"),
        say("天", "days"),
        say("月", "month"),
        say("最枯月", "driest"),
        say("七天", "7 days")
    );
    for year in &study.years {
        let month = year.driest.map_or_else(|| "-".to_owned(), |(month, _)| month.to_string());
        let driest = year.driest.map_or_else(|| "-".to_owned(), |(_, flow)| format!("{flow:.3}"));
        let seven = year.seven.map_or_else(|| "-".to_owned(), |flow| format!("{flow:.3}"));
        let _ = writeln!(out, "  {:>5} {:>5} {month:>6} {driest:>9} {seven:>9}", year.from, year.days);
    }
}

fn method(method: Method, lang: Lang) -> String {
    let say = |zh, en| lang.pick(zh, en);
    match method {
        Method::Tennant(grade) => {
            let grade = match grade {
                Grade::Outstanding => say("极好", "outstanding"),
                Grade::Excellent => say("非常好", "excellent"),
                Grade::Good => say("好", "good"),
                Grade::Fair => say("中(或差)", "fair or degrading"),
                Grade::Poor => say("最小", "poor or minimum"),
                Grade::Flushing => say("冲刷(数日)", "flushing, some days"),
            };
            format!("Tennant, {grade}")
        }
        Method::DriestMonth(percent, by) => match lang {
            Lang::Zh => format!("最枯月 Q{percent}, {}", frequency(by, lang)),
            Lang::En => format!("driest month Q{percent}, {}", frequency(by, lang)),
        },
        Method::TenYears => say("近十年最枯月", "driest month of the last ten years").to_owned(),
        Method::SevenQTen(by) => format!("7Q10, {}", frequency(by, lang)),
    }
}

fn frequency(by: Frequency, lang: Lang) -> &'static str {
    match by {
        Frequency::Weibull => lang.pick("Weibull 经验频率", "Weibull"),
        Frequency::Pearson3 => lang.pick("P-III 矩法", "Pearson III"),
        Frequency::LogPearson3 => lang.pick("对数 P-III", "log-Pearson III"),
    }
}

fn season(season: Season, lang: Lang) -> &'static str {
    match season {
        Season::Year => "",
        Season::Winter => lang.pick(",10—3 月", ", October to March"),
        Season::Summer => lang.pick(",4—9 月", ", April to September"),
    }
}

fn told(warning: Warning, lang: Lang) -> String {
    let zh = lang == Lang::Zh;
    match warning {
        Warning::FewYears(years, wanted) if wanted == FEW_YEARS[1] => {
            if zh {
                format!("有效年数仅 {years},不足 {wanted} 年:频率值只是猜测,不宜单独采用")
            } else {
                format!(
                    "only {years} whole years, fewer than {wanted}: its frequencies are guesses, none should be used alone"
                )
            }
        }
        Warning::FewYears(years, wanted) if zh => format!("有效年数 {years},不足 {wanted} 年:频率值不确定"),
        Warning::FewYears(years, wanted) => {
            format!("{years} whole years, fewer than {wanted}: frequencies are uncertain")
        }
        Warning::Gaps(missing, due, longest) if zh => {
            format!("{due} 天中缺 {missing} 天,最长连缺 {longest} 天;缺测不补,缺测多的月和年不计入")
        }
        Warning::Gaps(missing, due, longest) => format!(
            "{missing} of {due} days are missing, {longest} in a row at most; nothing is filled, months and years that miss \
             too much do not count"
        ),
        Warning::Thin(days) if zh => format!("{days} 天因数据太少未计入"),
        Warning::Thin(days) => format!("{days} days have too few values and were left out"),
        Warning::NoMean if zh => "有的月份在全部记录中均不计入,没有多年平均流量,Tennant 法不可用".into(),
        Warning::NoMean => {
            "a month of the calendar never counts: no mean annual flow, nothing by Tennant".into()
        }
        Warning::Dry(days) if zh => format!("{days} 天断流"),
        Warning::Dry(days) => format!("{days} days without flow"),
        Warning::Skewed(of, skew) if zh => {
            format!("{}:偏态系数 {skew:.2} 超过 2,结果不可靠", method(of, lang))
        }
        Warning::Skewed(of, skew) => {
            format!("{}: a skew of {skew:.2} is beyond 2, do not rely on it", method(of, lang))
        }
    }
}

/// The proposals as CSV: method, season, flow, share of the mean annual flow, years, completeness.
pub fn csv(study: &Study) -> String {
    let mut out = String::from("method,season,flow_m3s,share_of_mean_pct,years,complete_pct\n");
    let complete = 100.0 * super::float(study.days.0) / super::float(study.days.1.max(1));
    for proposal in &study.proposals {
        let years = match proposal.method {
            Method::Tennant(_) => study.years.len(),
            Method::DriestMonth(..) => study.driest().len(),
            Method::TenYears => study.driest().len().min(10),
            Method::SevenQTen(_) => study.sevens().len(),
        };
        let season = match proposal.season {
            Season::Year => "year",
            Season::Winter => "oct-mar",
            Season::Summer => "apr-sep",
        };
        let name = match proposal.method {
            Method::Tennant(grade) => match grade {
                Grade::Outstanding => "tennant_outstanding".to_owned(),
                Grade::Excellent => "tennant_excellent".to_owned(),
                Grade::Good => "tennant_good".to_owned(),
                Grade::Fair => "tennant_fair".to_owned(),
                Grade::Poor => "tennant_poor".to_owned(),
                Grade::Flushing => "tennant_flushing".to_owned(),
            },
            Method::DriestMonth(percent, by) => format!("driest_month_q{percent}_{}", short(by)),
            Method::TenYears => "driest_month_last_10_years".to_owned(),
            Method::SevenQTen(by) => format!("7q10_{}", short(by)),
        };
        let flow = proposal.flow.map_or_else(String::new, |flow| format!("{flow:.4}"));
        let share = share(study, proposal.flow).map_or_else(String::new, |share| format!("{share:.2}"));
        let _ = writeln!(out, "{name},{season},{flow},{share},{years},{complete:.2}");
    }
    out
}

fn short(by: Frequency) -> &'static str {
    match by {
        Frequency::Weibull => "weibull",
        Frequency::Pearson3 => "pearson3",
        Frequency::LogPearson3 => "log_pearson3",
    }
}
