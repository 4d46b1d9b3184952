#!/usr/bin/env bash
# qindan with curl: state, stream, trends, actions, forecasts.
#
#   export QINDAN_URL=https://qindan.example.org:8443 QINDAN_TOKEN_FILE=/etc/me/qindan.token
#   qindan.sh state | trends SERIES[,SERIES…] [HOURS] | actions [LIMIT] | forecasts
#   qindan.sh stream                     events as they come; goes on after a break where it was
#   qindan.sh forecast FILE              .csv or .json; needs a token of scope forecast
#
# QINDAN_CA names the certificate of a service that made its own.
set -euo pipefail

url=${QINDAN_URL:-http://127.0.0.1:8080}
token=${QINDAN_TOKEN:-}
[ -z "${QINDAN_TOKEN_FILE:-}" ] || token=$(<"$QINDAN_TOKEN_FILE")
[ -n "$token" ] || { echo "set QINDAN_TOKEN_FILE, or QINDAN_TOKEN; \`qindan token add\` makes one" >&2 && exit 2; }

ask() { # The token goes by a file: arguments are seen by everybody on the machine.
    curl --silent --show-error --fail-with-body ${QINDAN_CA:+--cacert "$QINDAN_CA"} \
        --config <(printf 'header = "Authorization: Bearer %s"\n' "$token") "$@"
}

stream() {
    local last='' line status
    while :; do
        while IFS= read -r line; do
            line=${line%$'\r'}
            [[ $line != id:* ]] || { last=${line#id:} && last=${last# }; }
            printf '%s\n' "$line"
        # A beat comes every 2 s: whoever hears nothing for ten is not connected any more.
        done < <(ask --no-buffer --speed-limit 1 --speed-time 10 ${last:+--header "Last-Event-ID: $last"} "$url/api/v1/stream")
        status=0
        wait $! 2>/dev/null || status=$?
        # 22: refused, with the reason printed.
        [ "$status" -ne 22 ] || exit 1
        sleep 1
    done
}

case ${1:-} in
state | forecasts) ask "$url/api/v1/$1" ;;
actions) ask "$url/api/v1/actions?limit=${2:-20}" ;;
trends) ask --get --data-urlencode "series=${2:?SERIES}" --data-urlencode "hours=${3:-24}" "$url/api/v1/trends" ;;
stream) stream ;;
forecast)
    file=${2:?FILE}
    kind=application/json
    [ "${file##*.}" != csv ] || kind=text/csv
    ask --header "Content-Type: $kind" --header "X-Qindan: 1" --data-binary "@$file" "$url/api/v1/forecasts"
    ;;
*) echo "usage: qindan.sh state | stream | trends SERIES [HOURS] | actions [LIMIT] | forecasts | forecast FILE" >&2 && exit 2 ;;
esac
