package analytics

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestBouncesEqualReference compares the reasons by provider with what is worked
// out from the messages.
func TestBouncesEqualReference(t *testing.T) {
	conn := migrated(t)
	messages := randomMessages(rand.New(rand.NewPCG(7, 2)), 600)
	fillWorld(t, conn, messages)
	api := NewAPI(APIConfig{Conn: conn})
	for i, q := range questions("bounces") {
		want, sent, all := map[string]int64{}, int64(0), int64(0)
		for i := range messages {
			m := &messages[i]
			if !q.about(m) {
				continue
			}
			sent++
			if m.reason == "" {
				continue
			}
			all++
			for key := range m.values("provider") {
				want[key[0]+" "+m.reason]++
				want["total "+m.reason]++
			}
		}
		for _, limit := range []int{2, 20}[i%2 : i%2+1] {
			var b Bounces
			ask(t, api, fmt.Sprintf("%s?limit=%d%s", q.path, limit, q.query), &b)
			got, found := map[string]int64{}, int64(0)
			add := func(name string, p *ProviderBounces) (sum int64) {
				last := int64(1 << 60)
				for _, r := range p.Reasons {
					got[name+" "+strings.Join([]string{r.Outcome, r.BounceClass, r.RejectReason}, "/")] += r.Messages
					if sum += r.Messages; r.Messages > last || r.Share == nil || *r.Share != float64(r.Messages)/float64(p.Counters["messages"]) {
						t.Errorf("%v: %s out of order, or a share of %v: %+v", q, name, realCell(r.Share), r)
					}
					last = r.Messages
				}
				if sum != p.Counters["messages"] {
					t.Errorf("%v: %s has %d messages in its reasons and %d in all", q, name, sum, p.Counters["messages"])
				}
				return sum
			}
			for i := range b.Providers {
				found += add(b.Providers[i].Provider, &b.Providers[i])
			}
			if b.Others != nil {
				found += add("others", b.Others)
			}
			if len(b.Providers) > limit || (b.Others == nil) != (limit == 20 || all == 0) {
				t.Errorf("%v: %d providers, others %v", q, len(b.Providers), b.Others)
			}
			add("total", &b.Total)
			if found != all || b.Total.Counters["messages"] != all || b.Total.Counters["sent"] != sent {
				t.Errorf("%v: %d messages of providers, total %v, want %d of %d", q, found, b.Total.Counters, all, sent)
			}
			for name, n := range want {
				if provider, _, _ := strings.Cut(name, " "); got[name] != n && (limit == 20 || provider == "total") {
					t.Errorf("%v: %s: %d, want %d", q, name, got[name], n)
				}
			}
		}
	}
}
