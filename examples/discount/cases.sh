#!/usr/bin/env bash
# Posts, as Mailjet would, what README.md tells of.
set -euo pipefail

posthorn=${POSTHORN:-http://127.0.0.1:8080}
now=$(date +%s)
person='Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.0'
apple='Mozilla/5.0' # Apple Mail fetches images by itself, whoever reads

# event TYPE SECONDS-AGO NUMBER NAME [AGENT]
event() {
	printf '{"event":"%s","time":%d,"MessageID":%d,"email":"%s@example.org","mj_campaign_id":7272,"customcampaign":"Welcome","agent":"%s"}' \
		"$1" $((now - $2)) $((now * 100 + $3)) "$4" "${5:-}"
}

# post SOURCE EVENT...
post() {
	local source=$1 IFS=,
	shift
	curl --silent --show-error --fail --user mailjet:only-an-example --header 'Content-Type: application/json' \
		--data "[$*]" "$posthorn/v1/webhooks/$source"
}

minute=60 hour=3600 day=86400

# anna opens within the day
post mailjet "$(event sent $((2 * hour)) 1 anna)"
post mailjet "$(event open $hour 1 anna "$person")"
# bert opens after 25 hours
post mailjet "$(event sent $((26 * hour)) 2 bert)"
post mailjet "$(event open $hour 2 bert "$person")"
# carla's mail program loads the images, she has not looked
post mailjet "$(event sent $((2 * hour)) 3 carla)"
post mailjet "$(event open $hour 3 carla "$apple")"
# Mailjet repeats what it is not sure to have delivered, and does so over the
# backup URL as well: anna's open again
post mailjet "$(event open $hour 1 anna "$person")"
post mailjet-backup "$(event open $hour 1 anna "$person")"
# dora's open is a year old: last year's statistics are imported
post mailjet "$(event sent $((365 * day)) 4 dora)" "$(event open $((365 * day - hour)) 4 dora "$person")"
# emil's open overtakes the event of its delivery
post mailjet "$(event open $minute 5 emil "$person")"
post mailjet "$(event sent $((5 * minute)) 5 emil)"
