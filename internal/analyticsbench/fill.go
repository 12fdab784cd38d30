package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// failure is what a bounce or a block says.
type failure struct {
	class, reason, description, enhanced string
	code                                 int32
}

// bounceFailures are hard up to hardFailures.
var bounceFailures = []failure{
	{"hard", "bounced", "recipient: user unknown", "5.1.1", 550}, {"hard", "bounced", "recipient: mailbox inactive", "", 554},
	{"hard", "bounced", "domain: invalid domain", "", 0}, {"hard", "bounced", "domain: no mail host", "", 0},
	{"soft", "bounced", "recipient: quota exceeded", "5.2.2", 552}, {"block", "blocked", "spam: content blocked", "5.7.1", 550},
	{"block", "blocked", "policy issue", "5.7.1", 550}, {"soft", "other", "system: system issue", "5.3.0", 554},
}

const hardFailures = 4

var blockedFailures = []failure{
	{"", "blocked", "mailjet: preblocked", "", 0}, {"", "blocked", "recipient: blacklisted", "", 0},
	{"", "other", "mailjet: duplicate in campaign", "", 0}, {"", "blocked", "spam: sender blocked", "", 0},
}

// webhook is one that takes events: those of a second, up to 150.
type webhook struct {
	id       schemas.ID
	from     int64 // ms
	received schemas.Timestamp
	n, size  int32
	offset   int64
}

// fill writes an event as normalize would.
func (g *generator) fill(e *schemas.Event, p *pending) {
	m := p.m
	s := &senders[m.c.sender]
	*e = schemas.Event{
		Tenant: "default", Account: s.account, Source: s.source, Provider: s.provider,
		OccurredAt: g.stamp(p.occurred / 1000 * 1000), OccurredPrecisionMS: 1000,
		Recipient: m.person.address, RecipientID: m.person.id, RecipientDomain: m.person.box.domain,
		CampaignID: m.c.id, CampaignName: m.c.name, ListID: m.c.list, Tags: m.c.tags, Metadata: m.c.metadata,
		MapperVersion: 2,
	}
	if m.order > 0 {
		g.meta["order"] = strconv.FormatUint(m.order, 10)
		e.Metadata = g.meta
	}
	half := mix(mix(m.n) + mix(uint64(p.occurred)<<16|uint64(p.kind)<<8|uint64(p.detail)))
	binary.BigEndian.PutUint64(e.EventID[:8], half)
	binary.BigEndian.PutUint64(e.EventID[8:], mix(half^0x1234567))
	if s.mailjet {
		g.mailjet(e, m)
	} else {
		g.sendgrid(e, m, half)
	}
	g.kindOf(e, p, s.mailjet)
	g.post(e, p, m.c.sender)
}

func (g *generator) mailjet(e *schemas.Event, m *message) {
	e.MessageID = strconv.FormatUint(m.id, 10)
	var guid schemas.ID
	binary.BigEndian.PutUint64(guid[:8], mix(m.n^0x77))
	binary.BigEndian.PutUint64(guid[8:], mix(m.n^0x99))
	guid[6], guid[8] = guid[6]&0x0f|0x40, guid[8]&0x3f|0x80
	e.MessageUUID = guid.String()
	e.ContactID = strconv.FormatUint(740_000_000+m.person.n, 10)
	if m.c.sender != 2 {
		e.CustomID = "c-" + strconv.FormatUint(m.person.n, 10)
	}
}

func (g *generator) sendgrid(e *schemas.Event, m *message, half uint64) {
	e.MessageID = fmt.Sprintf("%011x.%x.%06x.filter%04d.%d.%08X.0", mix(m.n)>>20, m.n%4096, mix(m.n)&0xffffff, m.n%40, 10_000+m.n%9000, mix(m.n^5)>>32)
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], mix(half))
	binary.BigEndian.PutUint64(raw[8:], mix(half^7))
	e.ProviderEventID = hex.EncodeToString(raw[:])[:22]
	e.RFCMessageID = fmt.Sprintf("<%011x.%x.%06x@ismtpd-%d>", mix(m.n)>>20, m.n%4096, mix(m.n)&0xffffff, m.n%600)
}

// kindOf sets what belongs to the kind of event.
func (g *generator) kindOf(e *schemas.Event, p *pending, mailjet bool) {
	name := func(mj, sg string) string {
		if mailjet {
			return mj
		}
		return sg
	}
	switch p.kind {
	case kindDelivered:
		e.Type, e.ProviderType = schemas.EventTypeDelivered, name("sent", "delivered")
		e.SMTPCode, e.SMTPEnhanced = 250, "2.0.0"
		e.MTAResponse = "sent (250 2.0.0 OK  " + strconv.FormatInt(p.occurred/1000, 10) + " fa5si855896wjc.199 - gsmtp)"
	case kindOpen:
		e.Type, e.ProviderType = schemas.EventTypeOpened, "open"
		g.actor(e, p, mailjet)
	case kindClick:
		e.Type, e.ProviderType = schemas.EventTypeClicked, "click"
		e.URL = p.m.c.links[p.detail]
		if !mailjet {
			e.LinkIndex = int32(p.detail) + 1
		}
		g.actor(e, p, mailjet)
	case kindUnsubscribe:
		e.Type, e.ProviderType = schemas.EventTypeUnsubscribed, name("unsub", "unsubscribe")
		g.actor(e, p, mailjet)
	case kindComplaint:
		e.Type, e.ProviderType, e.ComplaintSource = schemas.EventTypeComplained, name("spam", "spamreport"), "JMRPP"
	case kindBounce:
		e.Type, e.ProviderType = schemas.EventTypeBounced, "bounce"
		failed(e, &bounceFailures[p.detail])
	case kindBlocked:
		e.Type, e.ProviderType = schemas.EventTypeRejected, name("blocked", "dropped")
		failed(e, &blockedFailures[p.detail])
	case kindDeferred:
		e.Type, e.ProviderType = schemas.EventTypeDeferred, name("bounce", "deferred")
		e.Description, e.SMTPCode, e.SMTPEnhanced = "domain: greylisted", 450, "4.2.0"
		if !mailjet {
			e.Attempt = 1
		}
	}
}

func failed(e *schemas.Event, f *failure) {
	e.BounceClass, e.RejectReason, e.Description = f.class, f.reason, f.description
	e.SMTPCode, e.SMTPEnhanced = f.code, f.enhanced
}

// actor sets who acted, and from where. Mailjet tells the country of the address;
// SendGrid tells nothing, and the address is looked up where it is a person's.
func (g *generator) actor(e *schemas.Event, p *pending, mailjet bool) {
	a := &g.world.agents.all[p.agent]
	e.UserAgent, e.ClientName, e.ClientOS, e.DeviceType = a.text, a.client.Name, a.client.OS, a.client.Device
	e.Machine, e.MachineReasons = a.machine, a.reasons
	h := mix(p.m.person.hash ^ uint64(p.agent))
	e.IP = fmt.Sprintf("203.0.%d.%d", h>>8&0xff, h&0xff)
	at := p.m.person.place
	if h>>16%25 == 0 { // away from home
		list := g.world.places[draw(g.world.countries, h)]
		at = &list[h>>24%uint64(len(list))]
	}
	behind := a.machine != schemas.MachineHuman
	switch {
	case behind && mailjet:
		e.Country = "US"
	case behind:
	case mailjet && h>>40%30 > 0:
		e.Country = at.country
	default:
		e.Country, e.Region, e.City = at.country, at.region, at.city
	}
}

// post puts the event into the open webhook of its sender, or a new one.
func (g *generator) post(e *schemas.Event, p *pending, sender int) {
	w := &g.webhooks[sender]
	if w.n >= w.size || p.posted >= w.from+1000 {
		w.offset++
		w.id = g.webhookID(p.posted)
		w.from, w.n, w.size = p.posted, 0, 1+int32(g.rng.IntN(150))
		w.received = g.stamp(w.from+1000) + schemas.Timestamp(g.rng.Int64N(900_000))
	}
	e.ReceivedAt = w.received
	e.ArrivedAt = w.received/1000*1000 + 3000 // the log append time is of milliseconds
	e.RawRef = schemas.RawRef{WebhookID: w.id, Partition: int32(w.offset % 12), Offset: w.offset / 12, Index: w.n}
	w.n++
}

// webhookID makes a UUID of version 7, as the gateway does.
func (g *generator) webhookID(at int64) (id schemas.ID) {
	binary.BigEndian.PutUint64(id[:8], uint64(g.stamp(at)/1000)<<16|g.rng.Uint64N(1<<16))
	binary.BigEndian.PutUint64(id[8:], g.rng.Uint64())
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id
}

func (g *generator) stamp(ms int64) schemas.Timestamp {
	return schemas.FromTime(g.origin.Add(time.Duration(ms) * time.Millisecond))
}
