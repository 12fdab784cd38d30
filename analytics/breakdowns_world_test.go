package analytics

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// sentMessage is a message of a test, and what was done with it.
type sentMessage struct {
	campaign, domain, reason string
	day                      string // of the send; empty: unknown
	recipient                int
	counters                 schemas.Counters // without opens, clicks and their like
	deeds                    []deed
}

// deed is an open or a click.
type deed struct {
	click                                              bool
	machine                                            string
	link, position, country, client, system, appliance string
}

func (d *deed) human() bool { return d.machine == "human" || d.machine == "unknown" }

// testProviders are the mailbox providers of the tests' domains.
var testProviders = map[string]string{"gmail.com": "Gmail", "googlemail.com": "Gmail", "web.de": "WEB.DE", "acme.de": "Google Workspace", "dead.de": "other"}

// randomMessages makes messages of three campaigns over some days to a few
// domains.
func randomMessages(rng *rand.Rand, n int) []sentMessage {
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	var list []sentMessage
	for range n {
		m := sentMessage{
			campaign: pick("a", "b", "c/d"), domain: pick("gmail.com", "gmail.com", "googlemail.com", "web.de", "acme.de", "none.fr", ""),
			day: pick("2026-03-01", "2026-03-02", "2026-03-08", "2026-03-30", ""), recipient: rng.IntN(200),
		}
		c := &m.counters
		c.Messages = 1
		switch rng.IntN(8) {
		case 0:
			c.HardBounced, m.reason = 1, "bounced/hard/"+pick("invalid", "bounced")
		case 1:
			c.SoftBounced, c.LateBounces, m.reason = 1, rng.Int64N(2), pick("bounced/soft/timed_out", "bounced/block/spam", "bounced//")
		case 2:
			c.Rejected, m.reason = 1, pick("rejected//blocked", "rejected//")
		case 3:
			c.Queued = 1
		default:
			c.Delivered, c.Unsubscribed, c.OpenDelays, c.OpenDelayMS = 1, rng.Int64N(2), 1, rng.Int64N(9000)
			c.Unsubscribes = c.Unsubscribed
			for range rng.IntN(4) {
				m.deeds = append(m.deeds, deed{
					click: rng.IntN(3) == 0, machine: pick("human", "human", "proxy", "machine", "unknown"), country: pick("FR", "DE", ""), client: pick("Gmail", "Outlook", ""),
					system: pick("iOS", "Windows"), appliance: pick("mobile", "desktop"), link: pick("https://a.example/", "https://b.example/?x=-", ""), position: pick("1", "2", ""),
				})
			}
		}
		list = append(list, m)
	}
	return list
}

// whole are all counters of the message.
func (m *sentMessage) whole() schemas.Counters {
	c := m.counters
	m.behaviour(&c, func(*deed) bool { return true })
	return c
}

// behaviour counts opens and clicks among the deeds that are of a value, and the
// message once.
func (m *sentMessage) behaviour(c *schemas.Counters, of func(*deed) bool) {
	for i := range m.deeds {
		d := &m.deeds[i]
		if !of(d) {
			continue
		}
		all, human, some, someHuman := &c.Opens, &c.HumanOpens, &c.Opened, &c.HumanOpened
		if d.click {
			all, human, some, someHuman = &c.Clicks, &c.HumanClicks, &c.Clicked, &c.HumanClicked
		}
		*all++
		*some = 1
		if d.human() {
			*human++
			*someHuman = 1
		}
	}
}

// values are the values that a message has of a dimension, with what they count.
func (m *sentMessage) values(by string) map[[2]string]schemas.Counters {
	found := map[[2]string]schemas.Counters{}
	switch by {
	case "domain", "provider":
		value := m.domain
		if by == "provider" {
			if value = testProviders[m.domain]; value == "" {
				value = "other"
			}
			if m.domain == "" {
				value = "unknown"
			}
		}
		found[[2]string{value, ""}] = m.whole()
	case "reason":
		if m.reason != "" {
			c := m.counters
			found[[2]string{m.reason, ""}] = schemas.Counters{Messages: 1, HardBounced: c.HardBounced, SoftBounced: c.SoftBounced, Rejected: c.Rejected, LateBounces: c.LateBounces}
		}
	default:
		for i := range m.deeds {
			key, ok := m.deeds[i].value(by)
			if _, done := found[key]; !ok || done {
				continue
			}
			var c schemas.Counters
			m.behaviour(&c, func(d *deed) bool { k, ok := d.value(by); return ok && k == key })
			if by == "machine" {
				c.HumanOpens, c.HumanOpened, c.HumanClicks, c.HumanClicked = 0, 0, 0, 0
			}
			found[key] = c
		}
	}
	return found
}

func (d *deed) value(by string) (key [2]string, ok bool) {
	switch by {
	case "link":
		if d.link == "" {
			return [2]string{}, d.click // folded: its position is not known either
		}
		return [2]string{d.link, d.position}, d.click
	case "country":
		return [2]string{d.country}, true
	case "client":
		return [2]string{d.client}, true
	case "os":
		return [2]string{d.system}, true
	case "device":
		return [2]string{d.appliance}, true
	}
	return [2]string{d.machine}, true
}

// cellsOf are the changes that engagement makes of messages.
func cellsOf(messages []sentMessage) (records []schemas.Record) {
	add := func(m *sentMessage, campaign string, dimension schemas.Dimension, value, detail string, basis schemas.Basis, at schemas.Timestamp, c schemas.Counters) {
		records = append(records, &schemas.BreakdownDelta{Tenant: "default", CampaignID: campaign, Cells: []schemas.BreakdownCell{
			{Dimension: dimension, Value: value, Detail: detail, Basis: basis, WindowStart: at, Counters: c},
		}})
	}
	for i := range messages {
		m := &messages[i]
		var at schemas.Timestamp
		if m.day != "" {
			day, _ := time.Parse(time.DateOnly, m.day)
			at = schemas.FromTime(day)
		}
		whole := m.whole()
		add(m, "", schemas.DimensionTenant, "", "", schemas.BasisLifetime, 0, whole)
		add(m, "", schemas.DimensionDomain, m.domain, "", schemas.BasisSendTime, at, whole)
		add(m, m.campaign, schemas.DimensionDomain, m.domain, "", schemas.BasisSendTime, at, whole)
		if at > 0 {
			closed := whole // The windows of the send miss what came late.
			closed.OpenDelayMS, closed.OpenDelays = 0, 0
			add(m, "", schemas.DimensionTenant, "", "", schemas.BasisSendTime, at, closed)
			outcome := m.counters
			outcome.Unsubscribed, outcome.Unsubscribes, outcome.OpenDelayMS, outcome.OpenDelays = 0, 0, 0, 0
			add(m, m.campaign, schemas.DimensionAge, schemas.AgeSent, "", schemas.BasisSendTime, at, outcome)
			rest := whole
			rest.Messages, rest.Queued, rest.Delivered, rest.Rejected, rest.HardBounced, rest.SoftBounced, rest.LateBounces = 0, 0, 0, 0, 0, 0, 0
			rest.OpenDelayMS, rest.OpenDelays = 0, 0
			add(m, m.campaign, schemas.DimensionAge, "3", "", schemas.BasisSendTime, at, rest)
		}
		for key, c := range m.values("reason") {
			add(m, m.campaign, schemas.DimensionReason, m.domain, key[0], schemas.BasisSendTime, at, c)
		}
		for by, dimension := range map[string]schemas.Dimension{"link": schemas.DimensionLink, "country": schemas.DimensionCountry, "client": schemas.DimensionClient,
			"os": schemas.DimensionOS, "device": schemas.DimensionDevice, "machine": schemas.DimensionMachine} {
			for key, c := range m.values(by) {
				add(m, m.campaign, dimension, key[0], key[1], schemas.BasisSendTime, at, c)
			}
		}
	}
	return records
}

// fillWorld fills the tables with what messages come to, and with something of
// another tenant.
func fillWorld(t testing.TB, conn driver.Conn, messages []sentMessage) {
	t.Helper()
	lifetimes := map[string]*schemas.Counters{}
	for i := range messages {
		c := lifetimes[messages[i].campaign]
		if c == nil {
			c = &schemas.Counters{}
			lifetimes[messages[i].campaign] = c
		}
		whole := messages[i].whole()
		c.Add(&whole)
	}
	for campaign, c := range lifetimes {
		fill(t, conn, schemas.TopicStatistics, stats(campaign, schemas.BasisLifetime, time.Time{}, *c))
	}
	records := cellsOf(messages)
	for _, half := range [][]schemas.Record{records[:len(records)/2], records[len(records)/2:]} { // Rows that are not merged.
		fill(t, conn, schemas.TopicBreakdownDeltas, half...)
	}
	foreign := cellsOf(messages[:10])
	for _, r := range foreign {
		r.(*schemas.BreakdownDelta).Tenant = "other"
	}
	fill(t, conn, schemas.TopicBreakdownDeltas, foreign...)
	for domain, provider := range testProviders {
		if err := conn.Exec(t.Context(), `INSERT INTO mailbox_providers VALUES (?, ?, 'mx', '2026-03-01 00:00:00')`, domain, provider); err != nil {
			t.Fatal(err)
		}
	}
}

// asked is one question of a test, and which messages it is about.
type asked struct {
	path, query  string
	campaigns    []string
	since, until string
}

// questions are about one campaign, two, all of the tenant, each in several
// periods; path is what is asked below /v1/.
func questions(path string) (list []asked) {
	for _, q := range []asked{{path: "/v1/campaigns/a/" + path, campaigns: []string{"a"}}, {path: "/v1/campaigns/c%2Fd/" + path, campaigns: []string{"c/d"}},
		{path: "/v1/" + path, query: "&campaigns=b,a", campaigns: []string{"a", "b"}}, {path: "/v1/" + path}} {
		for _, period := range [][2]string{{}, {"2026-03-02", ""}, {"", "2026-03-08"}, {"2026-03-02", "2026-03-30"}, {"2026-05-01", "2026-05-02"}} {
			one := q
			if one.since, one.until = period[0], period[1]; one.since != "" {
				one.query += "&since=" + one.since
			}
			if one.until != "" {
				one.query += "&until=" + one.until
			}
			list = append(list, one)
		}
	}
	return list
}

// about tells whether a message is one that is asked about.
func (q *asked) about(m *sentMessage) bool {
	if q.campaigns != nil && !slices.Contains(q.campaigns, m.campaign) {
		return false
	}
	if q.since == "" && q.until == "" {
		return true
	}
	return m.day != "" && m.day >= q.since && (q.until == "" || m.day < q.until)
}

func (q *asked) String() string { return fmt.Sprint(q.path, " ", q.query) }
