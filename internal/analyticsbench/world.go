package main

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"

	"github.com/posthorn/posthorn/schemas"
)

const (
	domainCount   = 30_000
	campaignCount = 300
	listCount     = 12
	// campaignSkew is the exponent of the sizes of campaigns: the largest has a
	// fifth of what is sent in bulk.
	campaignSkew = 1.1
	// bulkShare is the share of messages that belong to bulk sends.
	bulkShare = 0.75
	// eventsPerMessage is the mean, measured (TestGenerator).
	eventsPerMessage = 1.65
	day              = 24 * 3600 // seconds
)

// secret is what recipient ids are made with.
var secret = []byte("analyticsbench")

// mailbox is the domain of a recipient and how its people behave.
type mailbox struct {
	domain    string
	share     float64 // of recipients; 0: by Zipf
	corporate bool
	prefetch  float64 // chance that a privacy relay fetches the images unseen
	scan      float64 // chance that a scanner follows the links
	proxy     string  // through which images are fetched when a person opens: gmail, yahoo
}

// named are the domains that everybody has recipients at; the others follow by
// Zipf.
var named = []mailbox{
	{domain: "gmail.com", share: .26, prefetch: .02, proxy: "gmail"},
	{domain: "hotmail.com", share: .06, prefetch: .03}, {domain: "orange.fr", share: .05, prefetch: .03},
	{domain: "yahoo.fr", share: .035, proxy: "yahoo"}, {domain: "hotmail.fr", share: .04, prefetch: .03},
	{domain: "icloud.com", share: .06, prefetch: .6}, {domain: "outlook.com", share: .035, prefetch: .03},
	{domain: "free.fr", share: .03}, {domain: "gmx.de", share: .03}, {domain: "web.de", share: .03},
	{domain: "yahoo.com", share: .03, proxy: "yahoo"}, {domain: "wanadoo.fr", share: .02}, {domain: "sfr.fr", share: .02},
	{domain: "laposte.net", share: .02}, {domain: "t-online.de", share: .015}, {domain: "libero.it", share: .015},
	{domain: "live.fr", share: .012}, {domain: "me.com", share: .01, prefetch: .6}, {domain: "googlemail.com", share: .01, proxy: "gmail"},
	{domain: "outlook.fr", share: .01}, {domain: "yahoo.co.uk", share: .01, proxy: "yahoo"}, {domain: "ziggo.nl", share: .008}, {domain: "gmx.net", share: .008},
}

// sender is a source of webhooks: an account at a provider.
type sender struct {
	account, source, provider string
	mailjet                   bool
}

var senders = []sender{
	{"marketing", "mailjet-marketing", "mailjet", true},
	{"shop", "mailjet-shop", "mailjet", true},
	{"marketing", "mailjet-marketing-2", "mailjet", true},
	{"sendgrid-eu", "sendgrid", "sendgrid", false},
}

// mailing is a bulk send, or a stream of single ones.
type mailing struct {
	id, name string
	list     string
	tags     []string
	metadata map[string]string
	sender   int
	links    []string
	appetite float64
	stream   bool    // sent one by one, all the time
	rate     float64 // of a stream, messages a second

	start, span  float64 // seconds of the world; of a bulk send
	size, sent   int64
	first, step  uint64 // of the recipients: the i-th is first + i*step
	orderDetails bool
}

// world is what does not change while events are made.
type world struct {
	agents    *agents
	places    [][]place
	countries []float64 // cumulative shares
	boxes     []mailbox
	shares    []float64 // cumulative, of boxes
	people    uint64
	campaigns []*mailing
	seconds   float64 // length of the timeline
}

// newWorld makes what a number of events over a number of days come from.
func newWorld(seed uint64, events int64, days float64) *world {
	w := &world{agents: newAgents(), seconds: days * day}
	w.places, w.countries = newPlaces()
	messages := float64(events) / eventsPerMessage
	w.people = coprime(max(1000, uint64(messages/4)))
	w.addBoxes(seed)
	w.addCampaigns(seed, messages)
	return w
}

func (w *world) addBoxes(seed uint64) {
	w.boxes = slices.Clone(named)
	rest, weight := 1.0, 0.0
	for _, b := range named {
		rest -= b.share
	}
	for i := len(named); i < domainCount; i++ {
		weight += 1 / math.Pow(float64(i), 1.05)
	}
	for i := len(named); i < domainCount; i++ {
		h := mix(seed ^ uint64(i)<<20)
		b := mailbox{domain: companyDomain(i, h), share: rest / weight / math.Pow(float64(i), 1.05), corporate: h%10 < 7}
		if b.corporate && h>>8%4 == 0 {
			b.scan = .3
		}
		w.boxes = append(w.boxes, b)
	}
	sum := 0.0
	for _, b := range w.boxes {
		sum += b.share
		w.shares = append(w.shares, sum)
	}
}

// companyDomain makes a domain that is nobody's: example is reserved.
func companyDomain(i int, h uint64) string {
	words := []string{"atelier", "bureau", "conseil", "maison", "studio", "transport", "cabinet", "garage", "clinique", "mairie", "ecole", "hotel"}
	return fmt.Sprintf("%s-%d.%s.example", words[h>>16%uint64(len(words))], i, []string{"fr", "de", "com", "it", "nl"}[h>>24%5])
}

func (w *world) addCampaigns(seed uint64, messages float64) {
	names := []string{"autumn-sale", "newsletter", "win-back", "black-week", "loyalty", "new-arrivals", "free-shipping", "product-news"}
	harmonic := 0.0
	for k := 1; k <= campaignCount; k++ {
		harmonic += 1 / math.Pow(float64(k), campaignSkew)
	}
	for k := 1; k <= campaignCount; k++ {
		h := mix(seed ^ uint64(k)<<32)
		c := &mailing{
			id: strconv.FormatUint(7_400_000+uint64(k)*137+h%100, 10), name: fmt.Sprintf("%s-%03d", names[h>>8%8], k),
			appetite: .7 + float64(h>>16%600)/1000, sender: []int{0, 0, 0, 2, 3}[k%5],
			size:  max(20, int64(messages*bulkShare/harmonic/math.Pow(float64(k), campaignSkew))),
			first: h >> 20 % w.people, step: 1 + 2*(h>>30%50),
		}
		if h>>40%10 < 7 {
			c.list = strconv.Itoa(10_200_000 + int(h>>44%listCount))
		}
		if h>>50%3 == 0 {
			c.metadata = map[string]string{"segment": []string{"vip", "new", "dormant"}[h>>52%3], "locale": "fr_FR"}
		}
		if !senders[c.sender].mailjet {
			c.tags = []string{"newsletter", names[h>>8%8]}
		}
		c.span = 1800 + float64(c.size)/120
		c.start = w.startOf(k, h, c.span)
		c.links = linksOf(c.name, 4+int(h>>54%14))
		w.campaigns = append(w.campaigns, c)
	}
	w.addStreams(seed, messages*(1-bulkShare))
}

// startOf spreads the largest campaigns over the first four fifths of the
// timeline, in which a load ends, and the others over all of it, by day.
func (w *world) startOf(k int, h uint64, span float64) float64 {
	days := w.seconds / day
	d := math.Floor(float64(h>>12%10_000) / 10_000 * days)
	if k <= 5 {
		d = math.Floor(days * []float64{.45, .15, .6, .3, .72}[k-1])
	}
	at := d*day + float64(6+h>>36%12)*3600 + float64(h>>28%60)*60
	return max(0, min(at, w.seconds-span-day))
}

func (w *world) addStreams(seed uint64, messages float64) {
	names := []string{"order-confirmation", "shipping-notice", "password-reset", "welcome", "invoice", "review-request", "basket-reminder", "account-notice", ""}
	weights := []float64{.3, .24, .1, .06, .08, .08, .06, .03, .05}
	for i, name := range names {
		h := mix(seed ^ uint64(i)<<40 ^ 0xabcd)
		c := &mailing{
			id: strconv.Itoa(3_100_000 + i*11), name: name, sender: 1, stream: true, appetite: 1.5,
			rate: messages * weights[i] / w.seconds, first: h % w.people, orderDetails: i < 2,
			links: linksOf(name, 3),
		}
		if name == "" {
			c.id = "" // mail that belongs to no campaign
			c.links = linksOf("account", 3)
		}
		w.campaigns = append(w.campaigns, c)
	}
}

func linksOf(name string, n int) []string {
	paths := []string{"", "sale", "new", "p/4711-winter-boots", "p/0815-rain-jacket", "stores", "account", "help", "p/1234-wool-scarf", "category/shoes", "category/women", "category/men", "magazine/how-to-care", "gift-cards", "terms", "privacy", "unsubscribe-info", "app"}
	links := make([]string, n)
	for i := range links {
		links[i] = fmt.Sprintf("https://shop.example.com/%s?utm_source=mail&utm_medium=email&utm_campaign=%s&utm_content=l%d", paths[i%len(paths)], name, i+1)
	}
	return links
}

// person is a recipient, told by its number alone.
type person struct {
	n       uint64
	hash    uint64
	box     *mailbox
	place   *place
	zeal    float64 // times the chance to open
	address string
	id      schemas.ID
}

func (w *world) person(n uint64) person {
	p := person{n: n, hash: mix(n ^ 0x51ed270b)}
	p.box = &w.boxes[draw(w.shares, p.hash)]
	list := w.places[draw(w.countries, mix(p.hash))]
	p.place = &list[len(list)-1-zipfish(p.hash^3, len(list))]
	// A fifth never opens anything.
	if p.zeal = float64(p.hash>>20%1000) / 500; p.hash>>32%5 == 0 {
		p.zeal = 0
	}
	p.address = "r" + strconv.FormatUint(n, 10) + "@" + p.box.domain
	p.id = schemas.RecipientID(secret, p.address)
	return p
}

// coprime returns a number from n that no step of a campaign divides, so that no
// recipient comes twice in one.
func coprime(n uint64) uint64 {
	for d := uint64(2); d < 100; d++ {
		if n%d == 0 {
			n, d = n+1, 1
		}
	}
	return n
}

// draw picks by cumulative shares.
func draw(shares []float64, hash uint64) int {
	u := float64(hash>>11) / (1 << 53) * shares[len(shares)-1]
	return min(sort.SearchFloat64s(shares, u), len(shares)-1)
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
