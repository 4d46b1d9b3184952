// What is wrong with an entry of the calendar, as the service says it in English, in the language of the page.

import { lang } from "./i18n.js";

const WHOLE = {
  "is missing": "缺少",
  "is no number": "不是数",
  "is out of range": "超出范围",
  "is too long": "太长",
  "has a control character": "含控制字符",
  "begins like a formula": "开头像公式",
  "is no kind of entry": "没有这种条目",
  "is not after the begin": "不晚于开始",
  "are no days of the week": "不是星期几",
  "is no time of the day": "不是时刻",
  "is no time": "不是时间",
  "has no time of the day": "缺时刻",
  "comes twice or never at the site, the clocks are changed then": "当地此时调钟，出现两次或不出现",
  "is missing: it is not said when the entry holds": "缺少：没有写明何时生效",
  "is no day of the year": "不是月日",
  "is no date": "不是日期",
  "is before valid_from": "早于 valid_from",
  "must be at most 40 letters, digits, dots, hyphens and underscores": "最多 40 个字母、数字、点、连字符和下划线",
  "is neither late nor skip": "既非 late 也非 skip",
  "is not UTF-8": "不是 UTF-8",
  "stands there twice": "出现两次",
  "no such column": "没有这一列",
  "does not belong to a one-off with from and to": "一次性条目（from、to）不用此项",
  "give at most 120 characters": "最多 120 字",
  "give one line of plain text": "只写一行纯文字",
  "begin with a letter or a digit": "以字母、汉字或数字开头",
  "leave it empty": "请留空",
  "write opening, flow, level, shut, stay or floor": "写 opening、flow、level、shut、stay 或 floor",
  "name the gate, or the section of a floor": "写闸门，或下限的断面",
  "give m³/s, from 0 to 100000": "以 m³/s 计，0 至 100000",
  "give per cent, 0 to 100": "以 % 计，0 至 100",
  "give m above the datum": "以基面以上 m 计",
  "write civil time of the site as 2026-05-04T06:00; where the clocks are changed add the offset": "写当地时间，如 2026-05-04T06:00；调钟时加时差",
  "write civil time of the site as 2026-05-04T06:00": "写当地时间，如 2026-05-04T06:00",
  "write a time of the day as 06:00": "写时刻，如 06:00",
  "write days as mon-fri or mon,wed or 1,3": "写星期，如 mon-fri、mon,wed 或 1,3",
  "give an end after the begin": "结束须晚于开始",
  "give from and to, or begin and end, or season_from and season_to, or valid_from and valid_to": "写 from 和 to，或 begin 和 end，或 season_from 和 season_to，或 valid_from 和 valid_to",
  "write month and day as 06-01": "写月日，如 06-01",
  "write a date as 2026-05-01": "写日期，如 2026-05-01",
  "give a later day": "写更晚的日期",
  "give the number of the order": "写指令文号",
  "give a short name of its own": "写一个不重复的短名",
  "write late or skip": "写 late 或 skip",
  "give each entry a name of its own": "每条取一个不重复的名",
  "remove what is over": "删去多余的",
  "shorten names and texts, or remove what is over": "缩短名称和文字，或删去多余的",
  "save the table as CSV UTF-8": "把表存为 CSV UTF-8",
  "give a CSV text": "须为 CSV 文本",
  "give a cell for each column": "每列一格",
  "remove one of them": "删去其一",
  "add the column": "加上这一列",
};

const PARTS = [
  [/^does not belong to an entry of kind (\w+)$/, "类型 $1 的条目不用此项"],
  [/^has (\d+) cells, the first line (\d+)$/, "有 $1 格，首行有 $2 格"],
  [/^more than (\d+) entries$/, "多于 $1 条"],
  [/^the entries have more than (\d+) bytes together$/, "全部条目超过 $1 字节"],
  [/^did you mean (.+)\?$/, "是否为 $1？"],
  [/^columns are (.+), with commas between them$/, "列名为 $1，以逗号分隔"],
];

/** A fault or its remedy; what is not known here stands as it came. */
export function wrongWords(text) {
  if (lang() !== "zh") return text;
  if (WHOLE[text]) return WHOLE[text];
  const [known, words] = PARTS.find(([pattern]) => pattern.test(text)) ?? [];
  return known ? text.replace(known, words) : text;
}
