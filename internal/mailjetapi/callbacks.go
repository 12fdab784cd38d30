package mailjetapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const callbacksPath = "/v3/REST/eventcallbackurl"

// EventTypes are all that Mailjet tells of.
func EventTypes() []string {
	return []string{"sent", "open", "click", "bounce", "blocked", "spam", "unsub"}
}

// Grouped is the version of callbacks whose events come in groups, those of a
// second in one request.
const Grouped = 2

// Callback is where events of one type are posted to.
type Callback struct {
	ID        int64
	EventType string
	URL       string `json:"Url"`
	Version   Version
	IsBackup  bool
	Status    string // alive, or dead after failing for long
}

// Version is a number that the API gives as text at times.
type Version int

// UnmarshalJSON reads either.
func (v *Version) UnmarshalJSON(text []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(text), `"`))
	if err != nil {
		return fmt.Errorf("version %s is no number", text)
	}
	*v = Version(n)
	return nil
}

var _ json.Unmarshaler = (*Version)(nil)

// newCallback and changedCallback are the bodies that create and change one.
type (
	newCallback struct {
		EventType string
		URL       string `json:"Url"`
		Version   int
		IsBackup  bool
	}
	changedCallback struct {
		URL     string `json:"Url"`
		Version int
	}
)

type callbackPage = listed[Callback]

// pageSize is the most that the API gives at a time; it gives 10 unasked, and an
// account has up to 14.
const pageSize = 1000

// Callbacks lists the callbacks of the account.
func (c *Client) Callbacks(ctx context.Context) ([]Callback, error) {
	all, err := list[Callback](ctx, c, callbacksPath, url.Values{})
	if err != nil {
		return nil, fmt.Errorf("listing callbacks: %w", err)
	}
	return all, nil
}

// page is the first page, which holds all callbacks, asked for once.
func (c *Client) page(ctx context.Context) (p callbackPage, err error) {
	return p, c.do(ctx, http.MethodGet, fmt.Sprintf("%s?Limit=%d", callbacksPath, pageSize), nil, &p)
}

// Action is what is to be done about a callback.
type Action string

// The actions.
const (
	Keep   Action = "keep"
	Create Action = "create"
	Change Action = "change"
)

// Step is what is to be done for one type of event, so that it is posted to URL.
type Step struct {
	EventType string
	Action    Action
	Why       string
	Now       *Callback // nil where there is none
	URL       string
}

// renewed is a query parameter without meaning to the gateway. Mailjet takes up a
// callback that it has given up only when its URL is a new one.
const renewed = "renewed"

// Plan compares the callbacks that there are with those that are wanted: the URL
// for each type of event, in groups. Backup URLs stay as they are.
func Plan(existing []Callback, address string, now time.Time) []Step {
	var steps []Step
	for _, name := range EventTypes() {
		steps = append(steps, plan(existing, name, address, now))
	}
	return steps
}

func plan(existing []Callback, name, address string, now time.Time) Step {
	s := Step{EventType: name, Action: Change, URL: address}
	i := slices.IndexFunc(existing, func(c Callback) bool { return c.EventType == name && !c.IsBackup })
	if i < 0 {
		s.Action, s.Why = Create, "there is none"
		return s
	}
	s.Now = &existing[i]
	same := withoutRenewed(s.Now.URL) == address
	switch {
	case same && strings.EqualFold(s.Now.Status, "dead"):
		s.Why, s.URL = "Mailjet has given it up", address+"?"+renewed+"="+now.UTC().Format("20060102T150405Z")
	case !same:
		s.Why = "it is another URL"
	case s.Now.Version != Grouped:
		s.Why, s.URL = "its events are not grouped", s.Now.URL
	default:
		s.Action, s.URL = Keep, s.Now.URL
	}
	return s
}

func withoutRenewed(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	if q := u.Query(); q.Has(renewed) {
		q.Del(renewed)
		u.RawQuery = q.Encode()
	}
	return u.String()
}

// Apply does what a step says. A request whose answer was lost may have been
// carried out: so before a second try it looks what there is.
func (c *Client) Apply(ctx context.Context, s Step) error {
	if s.Action == Keep {
		return nil
	}
	_, err := retry(ctx, c, func(try int) (callbackPage, error) {
		if try > 0 {
			existing, err := c.page(ctx)
			if err != nil {
				return callbackPage{}, err
			}
			again := plan(existing.Data, s.EventType, withoutRenewed(s.URL), time.Now())
			again.URL = s.URL
			if again.Action == Keep {
				return callbackPage{}, nil
			}
			s = again
		}
		var answer callbackPage
		if s.Action == Create {
			return answer, c.do(ctx, http.MethodPost, callbacksPath, newCallback{EventType: s.EventType, URL: s.URL, Version: Grouped}, &answer)
		}
		return answer, c.do(ctx, http.MethodPut, callbacksPath+"/"+strconv.FormatInt(s.Now.ID, 10), changedCallback{s.URL, Grouped}, &answer)
	})
	if err != nil {
		return fmt.Errorf("setting the callback for %s: %w", s.EventType, withoutPassword(err, s.URL))
	}
	return nil
}

// withoutPassword masks a URL's password where the API quotes it.
func withoutPassword(err error, address string) error {
	var answer *APIError
	u, parseErr := url.Parse(address)
	if parseErr != nil || !errors.As(err, &answer) {
		return err
	}
	if password, ok := u.User.Password(); ok && password != "" {
		masked := *answer
		for _, text := range []string{password, url.QueryEscape(password), url.PathEscape(password)} {
			masked.Message = strings.ReplaceAll(masked.Message, text, "********")
		}
		return &masked
	}
	return err
}
