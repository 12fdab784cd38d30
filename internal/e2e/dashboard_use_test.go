package e2e

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/analytics/dashboard"
)

// axe is axe-core 4.14.1 of Deque Systems, under the Mozilla Public License 2.0.
//
//go:embed testdata/axe/axe.min.js
var axe string

// testHostile: names that are markup stay text.
func testHostile(t *testing.T, s *shown, p *tab) {
	hostile := s.places
	hostile.Campaign, hostile.A = hostileID, hostileID
	var triggers analytics.TriggerList
	s.ask("/v1/triggers?limit=1&campaign="+strings.ReplaceAll(hostile.Fill("{a}"), "+", "%20"), &triggers)
	for _, page := range dashboard.Pages {
		p.open(hostile.Fill(page.Route))
		p.quiet(page.Name)
		if title := eval[string](p, "document.title"); title == "owned" {
			t.Errorf("%s has run what a name says", page.Name)
		}
		if n := eval[int](p, `document.querySelectorAll("main img, main script, main b b, main i > *").length`); n != 0 {
			t.Errorf("%s: a name has become markup", page.Name)
		}
	}
	p.open(hostile.Fill("#/campaign/{campaign}?tz=UTC"))
	if got := eval[string](p, `document.querySelector("h1").textContent`); got != hostileName {
		t.Errorf("the campaign is called %s", got)
	}
	if text := eval[string](p, "document.body.innerText"); !strings.Contains(text, hostileID) {
		t.Error("the id is not shown as it is")
	}
}

// testAccessible: axe finds nothing on any page, in either theme, on either screen.
func testAccessible(t *testing.T, s *shown, p *tab) {
	for _, screen := range []struct {
		scheme string
		width  int64
	}{{"light", 1280}, {"dark", 1280}, {"light", 390}} {
		p.prefers(screen.scheme, "no-preference")
		p.viewport(screen.width, 850)
		for _, page := range dashboard.Pages {
			p.open(s.places.Fill(page.Route))
			eval[int](p, `document.querySelectorAll("details").forEach(d => { d.open = true; }), 0`)
			eval[int](p, axe+";0")
			found := eval[string](p, `axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r => JSON.stringify({
				passes: r.passes.length, violations: r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + " " + n.failureSummary).join(" | "))}))`)
			var result struct {
				Passes     int
				Violations []string
			}
			if err := json.Unmarshal([]byte(found), &result); err != nil || result.Passes < 10 {
				t.Fatalf("axe did not look at %s: %v %s", page.Name, err, found)
			}
			for _, v := range result.Violations {
				t.Errorf("%s, %s, %d wide: %s", page.Name, screen.scheme, screen.width, v)
			}
		}
	}
	p.prefers("light", "no-preference")
	p.viewport(1280, 900)
}

// press presses a key so often.
func (p *tab) press(key string, times int) {
	p.t.Helper()
	for range times {
		p.do(chromedp.KeyEvent(key))
	}
}

const focused = `(e => (e.id || e.textContent.trim().slice(0, 40) || e.tagName))(document.activeElement)`

// testKeys: everything can be reached and used without a pointer, and is seen to
// have the focus.
func testKeys(t *testing.T, s *shown, p *tab) {
	p.open("#/campaigns?tz=UTC")
	p.press(kb.Tab, 1)
	if got := eval[string](p, focused); got != "skip" {
		t.Errorf("the first stop is %s, want the link that skips to the content", got)
	}
	p.press(kb.Enter, 1)
	if got := eval[string](p, focused); got != "main" {
		t.Errorf("the content is skipped to %s", got)
	}
	var stops []string
	for range 60 {
		p.press(kb.Tab, 1)
		if eval[bool](p, `document.activeElement === document.body`) {
			break
		}
		stops = append(stops, eval[string](p, focused))
		if outline := eval[string](p, `getComputedStyle(document.activeElement).outlineStyle`); outline == "none" {
			t.Errorf("%s does not show that it has the focus", stops[len(stops)-1])
		}
	}
	for _, want := range []string{"Messages", "Hard bounced", "The same as a table", "What each number is"} {
		if !slices.ContainsFunc(stops, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("%s cannot be reached by Tab: %q", want, stops)
		}
	}
	use := func(selector string) {
		eval[int](p, fmt.Sprintf("document.querySelector(%q).focus(), 0", selector))
		p.press(kb.Enter, 1)
	}
	use("th button")
	p.until(`location.hash.includes("sort=messages")`)
	p.settle()
	use(`nav a[href^="#/engagement"]`)
	p.until(`location.hash.startsWith("#/engagement")`)
	p.settle()
	if got := eval[string](p, `document.activeElement.tagName`); got != "H1" {
		t.Errorf("on a new page the focus is on %s, want its heading", got)
	}
	use("summary")
	p.until(`document.querySelector("details").open`)
	p.quiet("keys")
}

// testThemes: the system's theme, the switch, and motion.
func testThemes(t *testing.T, s *shown, p *tab) {
	background := func() string { return eval[string](p, "getComputedStyle(document.body).backgroundColor") }
	p = p.fresh()
	p.prefers("light", "no-preference")
	p.open("#/campaigns?tz=UTC")
	light := background()
	p.prefers("dark", "reduce")
	dark := background()
	if light == dark {
		t.Errorf("the background is %s in both themes", light)
	}
	if name := eval[string](p, `getComputedStyle(document.querySelector("#progress span")).animationName`); name != "none" {
		t.Errorf("%s moves where less motion is preferred", name)
	}
	choose := func(theme string) {
		eval[bool](p, fmt.Sprintf(`(s => { s.value = %q; return s.dispatchEvent(new Event("change")); })([...document.querySelectorAll("#switches select")].at(-1))`, theme))
	}
	choose("light")
	if got := background(); got != light {
		t.Errorf("the switch to light gives %s, want %s", got, light)
	}
	p.do(chromedp.Reload())
	p.settle()
	if got := background(); got != light {
		t.Errorf("after a reload it is %s: the choice is forgotten", got)
	}
	choose("auto")
	if got := background(); got != dark {
		t.Errorf("as the system is %s, want %s", got, dark)
	}
	p.quiet("themes")
}

// testPhone: no page is wider than a phone.
func testPhone(t *testing.T, s *shown, p *tab) {
	p.viewport(360, 740)
	for _, page := range dashboard.Pages {
		p.open(s.places.Fill(page.Route))
		if wide := eval[int](p, "document.scrollingElement.scrollWidth"); wide > 360 {
			t.Errorf("%s is %d wide: %s", page.Name, wide,
				eval[string](p, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > 361 && !e.closest(".scroll, nav")).slice(0, 4).map(e => e.outerHTML.slice(0, 120)).join("\n")`))
		}
		p.quiet(page.Name)
	}
	p.viewport(1280, 900)
}

// testShared: whoever opens an address sees the same.
func testShared(t *testing.T, s *shown, p *tab) {
	p.open("#/campaigns")
	if !eval[bool](p, `location.hash.includes("tz=")`) {
		t.Error("the time zone is not in the URL")
	}
	p.open("#/campaigns?tz=Asia/Kathmandu")
	pick := func(label, value string) {
		eval[bool](p, fmt.Sprintf(`(s => { s.value = %q; return s.dispatchEvent(new Event("change")); })([...document.querySelectorAll("#switches .choice")].find(c => c.textContent.startsWith(%q)).querySelector("select"))`, value, label))
	}
	pick("Machines", "in")
	p.until(`location.hash.includes("machines=in") && location.hash.includes("Kathmandu")`)
	p.settle()
	eval[int](p, `document.querySelector("main tbody a").click(), 0`)
	p.until(`location.hash.startsWith("#/campaign/")`)
	p.settle()
	if hash := eval[string](p, "location.hash"); !strings.Contains(hash, "machines=in") || !strings.Contains(hash, "Kathmandu") {
		t.Errorf("going on to a campaign leads to %s", hash)
	}
	p.quiet("shared")
}

// testLookup: an address leads to a recipient, and stands in no URL.
func testLookup(t *testing.T, s *shown, p *tab) {
	p.open("#/recipient?tz=UTC")
	p.told()
	p.do(chromedp.SendKeys(chromedp.CSS(`input[name="who"]`), mallory+kb.Enter))
	p.until(`location.hash.startsWith("#/recipient/")`)
	p.settle()
	problems, requests := p.told()
	if len(problems) > 0 {
		t.Error(problems)
	}
	posted := 0
	for _, r := range requests {
		if strings.Contains(r.url, "mallory") || strings.Contains(r.url, "xss.example") {
			t.Errorf("the address is in the URL %s", r.url)
		}
		if r.method == "POST" && strings.Contains(r.body, mallory) {
			posted++
		}
	}
	if posted != 1 {
		t.Errorf("the address was posted %d times: %+v", posted, requests)
	}
	if got := p.content(); got.Figures["domain"] != "xss.example" || got.Figures["counter.messages"] != "3" {
		t.Errorf("the recipient is shown as %v", got.Figures)
	}
	if hash := eval[string](p, "location.hash"); strings.Contains(hash, "mallory") {
		t.Errorf("the address is in %s", hash)
	}
}

// testLive: events appear as they come, can be held, and are bounded.
func testLive(t *testing.T, s *shown, p *tab) {
	p.open("#/live?tz=UTC")
	p.until(`document.querySelector("main").innerText.includes("Following")`)
	post := func(from, n int) {
		var body strings.Builder
		for i := range n {
			fmt.Fprintf(&body, `{"type":"opened","recipient":"live@example.org","message_id":"live-%d","campaign_id":"live","campaign_name":"<img onerror>","occurred_at":"2026-11-30T12:00:00Z"}`+"\n", from+i)
		}
		postNative(t, s.gateway, "own-sender", body.String())
	}
	const lines = `document.querySelectorAll(".log li").length`
	post(0, 2)
	p.until(lines + " === 2")
	if text := eval[string](p, `document.querySelector(".log").innerText`); !strings.Contains(text, "<img onerror>") || strings.Contains(text, "live@") {
		t.Errorf("the events are shown as %s", text)
	}
	pause := func() { p.do(chromedp.Click(chromedp.CSS("button[aria-pressed]"))) }
	pause()
	post(10, 3)
	p.until(`document.querySelector("main").innerText.includes("3 wait")`)
	if n := eval[int](p, lines); n != 2 {
		t.Errorf("%d lines while paused, want 2", n)
	}
	pause()
	p.until(lines + " === 5")
	for from := range 6 {
		post(1000*(from+1), 100)
		p.until(fmt.Sprintf(`/(\d+) events since/.exec(document.querySelector("main").innerText.replaceAll(",", ""))?.[1] >= %d`, 5+100*(from+1)))
	}
	if n := eval[int](p, lines); n > 200 || n < 50 {
		t.Errorf("%d lines are kept, want 200 at most", n)
	}
	p.quiet("live")
}
