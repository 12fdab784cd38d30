package analytics

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// byLastEvent is the order of campaigns where none is asked for.
const byLastEvent = "last_event"

// campaignOrder is in which order campaigns are listed, the greatest first, and
// where a page of that order ends.
type campaignOrder struct {
	name string
	// expression is over the columns of a lifetime. A rate over 0 is the least.
	expression string
	value      func(*Campaign) float64
}

// campaignOrders are those by name: of the latest event, of each counter of
// messages, and of each rate.
var campaignOrders = func() (orders []campaignOrder) {
	orders = append(orders,
		campaignOrder{byLastEvent, "toUnixTimestamp64Micro(last_event_at)", nil},
		campaignOrder{"messages", "toFloat64(messages)", func(c *Campaign) float64 { return float64(c.Totals.Messages) }})
	for i, r := range Rates(schemas.Counters{}) {
		if r.Unit != UnitRatio {
			continue
		}
		numerator, denominator, _ := strings.Cut(r.Formula, " / ")
		orders = append(orders, campaignOrder{r.Name, fmt.Sprintf("if(%[2]s = 0, -1, %[1]s / %[2]s)", numerator, denominator), func(c *Campaign) float64 {
			if v := Rates(c.Totals)[i].Value; v != nil {
				return *v
			}
			return -1
		}})
	}
	return orders
}()

func campaignOrderNames() []string {
	var names []string
	for _, o := range campaignOrders {
		names = append(names, o.name)
	}
	return names
}

// cursor is where a page ends. Campaigns that get events while one pages move
// to the front: they may be seen twice, none is missed for being moved back.
type cursor struct {
	LastEventAt int64  `json:"t,omitempty"` // µs
	ID          string `json:"id"`
	// Sort and Value are those of another order than by the latest event.
	Sort  string  `json:"s,omitempty"`
	Value float64 `json:"v,omitempty"`
}

// after is the cursor of the page that ends with c.
func (o campaignOrder) after(c *Campaign) cursor {
	if o.name == byLastEvent {
		return cursor{LastEventAt: c.LastEventAt.UnixMicro(), ID: c.ID}
	}
	return cursor{ID: c.ID, Sort: o.name, Value: o.value(c)}
}

// campaignSelection is which campaigns a page lists, in which order.
type campaignSelection struct {
	order  campaignOrder
	having filter
}

// campaignsSelected reads the parameters q, sort and after.
func campaignsSelected(r *http.Request) (s campaignSelection, err error) {
	name, err := oneOf(r, "sort", campaignOrderNames()...)
	if err != nil {
		return s, err
	}
	for _, o := range campaignOrders {
		if o.name == name {
			s.order = o
		}
	}
	// A campaign whose messages all turned out to be another's is none.
	s.having.add("messages > 0")
	if q := r.URL.Query().Get("q"); q != "" {
		s.having.add("(positionCaseInsensitiveUTF8(campaign_id, ?) > 0 OR positionCaseInsensitiveUTF8(campaign_name, ?) > 0)", q, q)
	}
	var c cursor
	given, err := pageOf(r, &c)
	switch {
	case err != nil || !given:
		return s, err
	case name == byLastEvent && c.Sort == "":
		s.having.add("("+s.order.expression+", campaign_id) < (?, ?)", c.LastEventAt, c.ID)
	case name == c.Sort:
		s.having.add("("+s.order.expression+", campaign_id) < (toFloat64(?), ?)", c.Value, c.ID)
	default:
		return s, badParam("after", "it is of another order: leave it out, or give the same sort")
	}
	return s, nil
}
