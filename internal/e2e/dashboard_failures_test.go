package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"

	"github.com/posthorn/posthorn/analytics/dashboard"
)

const away = "ClickHouse did not answer; the figures are unknown, not zero"

// testFailures: a part whose request fails says so and why; it shows no number,
// and can be tried again.
func testFailures(t *testing.T, s *shown, p *tab) {
	paused := chromedp.Events(p.ctx, fetch.RequestPaused)
	call(p, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "*/v1/*"}, {URLPattern: "*/status"}, {URLPattern: "*/readyz"}}})
	body := []byte(`{"type":"about:blank","title":"Unknown","status":503,"detail":"` + away + `"}`)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for e, err := range paused {
			if err != nil {
				return
			}
			// It fails where the page went away.
			_, _ = chromedp.Call(p.ctx, fetch.FulfillRequest, fetch.FulfillRequestParams{RequestID: e.RequestID, ResponseCode: 503, Body: body,
				ResponseHeaders: []*fetch.HeaderEntry{{Name: "Content-Type", Value: "application/problem+json"}}})
		}
	}()
	for _, page := range dashboard.Pages {
		if page.Name == "live" {
			continue // its requests do not end
		}
		p.open(s.places.Fill(page.Route))
		panels := eval[[]string](p, `[...document.querySelectorAll("section.panel")].filter(s => s.querySelector(".body")).map(s => s.innerText)`)
		failed := eval[int](p, `document.querySelectorAll(".failure").length`)
		if failed != len(panels) || failed == 0 {
			t.Errorf("%s: %d of %d parts say that they failed", page.Name, failed, len(panels))
		}
		for _, text := range panels {
			if page.Name == "system" && strings.HasPrefix(text, "Ready") {
				continue // 503 is an answer there, of another form
			}
			if !strings.Contains(text, "unknown") || !strings.Contains(text, away) {
				t.Errorf("%s: a part says\n%s", page.Name, text)
			}
		}
		if n := eval[int](p, `document.querySelectorAll("[data-figure], tbody td").length`); n != 0 {
			t.Errorf("%s: %d figures stand there all the same", page.Name, n)
		}
	}
	p.open(s.places.Fill("#/campaign/{campaign}?tz=UTC"))
	call(p, fetch.Disable, cdp.Empty{})
	p.told()
	p.do(chromedp.Click(chromedp.CSS(".failure button")))
	p.until(`document.querySelectorAll("[data-figure]").length > 0 && ` + loaded)
	p.quiet("trying again")
}
