package e2e

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// startBrowser starts a Chromium without a window. Without one here what is tested
// with it is skipped, but not in CI.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	switch {
	case path == "" && os.Getenv("CI") != "":
		t.Fatal("no Chromium is installed: apt-get install chromium")
	case path == "":
		t.Skip("NOT TESTED: what the dashboard shows in a browser, its policy, keyboard use and accessibility: no Chromium is installed (apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // root has none
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal("starting Chromium: ", err)
	}
	return ctx
}

// tab is one of a browser, with a storage of its own, and what it has told.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu       sync.Mutex
	problems []string // errors of the console, of scripts, and of the policy
	requests []sent
}

// sent is a request that a page has made.
type sent struct{ method, url, body string }

// openTab opens a tab that shows pages below base.
func openTab(t *testing.T, browser context.Context, base string) *tab {
	t.Helper()
	p := &tab{t: t, base: base}
	ctx, stop := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(stop)
	p.ctx = ctx
	if err := chromedp.Listen(ctx, p.heard); err != nil {
		t.Fatal(err)
	}
	call(p, network.Enable, network.EnableParams{})
	call(p, log.Enable, cdp.Empty{})
	p.viewport(1280, 900)
	return p
}

// heard notes an event; it runs in the order of them.
func (p *tab) heard(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			p.problems = append(p.problems, "console: "+arguments(e.Args))
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		p.problems = append(p.problems, "exception: "+text)
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			p.problems = append(p.problems, string(e.Entry.Source)+": "+e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		r := sent{method: e.Request.Method, url: e.Request.URL}
		for _, entry := range e.Request.PostDataEntries {
			r.body += string(entry.Bytes)
		}
		p.requests = append(p.requests, r)
	}
}

func arguments(list []*runtime.RemoteObject) string {
	var texts []string
	for _, a := range list {
		texts = append(texts, string(a.Value)+a.Description)
	}
	return strings.Join(texts, " ")
}

// told returns what was noted since the last time.
func (p *tab) told() (problems []string, requests []sent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	problems, requests = p.problems, p.requests
	p.problems, p.requests = nil, nil
	return problems, requests
}

// quiet fails the test if anything was wrong.
func (p *tab) quiet(where string) {
	p.t.Helper()
	problems, _ := p.told()
	for _, problem := range problems {
		p.t.Errorf("%s: %s", where, problem)
	}
}

// loaded is true when nothing is loading any more.
const loaded = `!!document.querySelector("h1") && !document.querySelector("[aria-busy]") && !document.querySelector("#progress.on")`

// open shows a route in a new document and waits until it has loaded. It returns
// how long that took in the browser.
func (p *tab) open(route string) time.Duration {
	p.t.Helper()
	p.do(chromedp.Navigate("about:blank"))
	p.told()
	p.do(chromedp.Navigate(p.base + "/" + route))
	return p.settle()
}

// settle waits until nothing is loading, and returns the age of the document.
func (p *tab) settle() time.Duration {
	p.t.Helper()
	p.until(loaded)
	return time.Duration(eval[float64](p, "performance.now()") * float64(time.Millisecond))
}

// until waits for a condition of the page.
func (p *tab) until(condition string) {
	p.t.Helper()
	if _, err := chromedp.Run(p.ctx, chromedp.Poll[bool](condition, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		p.t.Fatalf("waiting for %s: %v\n%s", condition, err, eval[string](p, "location.href + '\\n' + document.body.innerText.slice(0, 2000)"))
	}
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// eval returns what an expression is in the page.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%.200s: %v", expression, err)
	}
	return v
}

func (p *tab) viewport(width, height int64) {
	p.t.Helper()
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500})
}

// prefers sets what the system prefers.
func (p *tab) prefers(scheme, motion string) {
	p.t.Helper()
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion},
	}})
}

// call makes a call of the protocol.
func call[P, R any](p *tab, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	result, err := chromedp.Call(p.ctx, command, params)
	if err != nil {
		p.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// fresh opens another tab of the same browser, which knows nothing of this one.
func (p *tab) fresh() *tab {
	p.t.Helper()
	return openTab(p.t, p.ctx, p.base)
}
