package verify

// kindRules has rules of every kind, with spans so short that a few days of a few
// recipients meet them in every way.
const kindRules = `
rules:
  - name: each-click
    immediate: {event: clicked}
    cooldown: 6h
  - name: each-open
    immediate: {event: opened}
    when: event.url != "x"
    active: {days: [mon, wed, sat], from: "09:00", to: "17:30", time_zone: Europe/Paris, outside: skip}
    cooldown: 1h
  - name: open-soon
    within: {event: opened, of: send, duration: 2h}
    once_per: recipient
    max_age: 3h
    sample: 60%
  - name: click-after-open
    within: {event: clicked, of: opened, duration: 30m}
    when: message.campaign_id == "spring"
    active: {days: [mon, tue], from: "22:00", to: "03:00", time_zone: America/New_York}
  - name: click-again
    within: {event: clicked, of: clicked, duration: 10m}
    settle: 90s
    once_per: campaign
    cooldown: 1d
    mode: shadow
  - name: silent
    absence: {event: opened, of: send, duration: 3h}
    call: shop
  - name: silent-patient
    absence: {event: clicked, of: opened, duration: 1h, wait: 20m}
    once_per: recipient
    cooldown: 12h
    max_age: 2h
    active: {days: [sun, mon, tue, wed, thu, fri, sat], from: "08:00", to: "20:00", time_zone: Asia/Tokyo, outside: skip}
  - name: unseen
    absence: {event: delivered, of: send, duration: 10m, wait: 1m}
    active: {from: "10:00", to: "16:00", time_zone: UTC}
  - name: journey
    sequence: {events: [send, opened, {event: clicked, when: 'event.url.contains("/pay")'}], duration: 12h}
    once_per: recipient
    cooldown: 1d
  - name: ping-pong
    sequence: {events: [opened, clicked, opened, clicked], duration: 6h}
    human_only: false
    max_age: 4h
  - name: eager
    sequence: {events: [clicked, clicked], duration: 1m}
    settle: 30s
    cooldown: 2h
  - name: clicks-of-message
    count: {event: clicked, times: 3, duration: 1h}
    cooldown: 3h
  - name: opens-of-recipient
    count: {event: [opened, clicked], times: 4, duration: 5h, per: recipient}
    when: message.campaign_id != "winter" && event.machine != "machine"
    human_only: false
    max_age: 6h
    cooldown: 8h
    active: {from: "06:00", to: "23:00", time_zone: UTC, outside: skip}
  - name: deferrals
    count: {event: deferred, times: 2, duration: 1d, per: message}
    once_per: recipient
  - name: bounces
    rate: {event: bounced, of: [delivered, bounced], above: 20%, clear_below: 10%, duration: 2h, every: 10m, minimum: 3}
    max_age: 12h
  - name: clicks-of-openers
    rate: {event: clicked, of: [opened], above: 50%, duration: 1h, every: 20m}
    when: event.country != "US"
    active: {from: "04:00", to: "18:00", time_zone: UTC, outside: skip}
    mode: shadow
  - name: complaints
    count: {event: [complained, unsubscribed], times: 3, duration: 1d, per: campaign, every: 1h}
    cooldown: 2d
    active: {days: [mon, tue, wed, thu, fri], from: "09:00", to: "18:00", time_zone: Europe/Berlin}
  - name: many-opens
    count: {event: opened, times: 5, duration: 1h, per: campaign, every: 5m}
    sample: 70%
`
