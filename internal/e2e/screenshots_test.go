package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
)

// TestScreenshots makes the pictures of the README, where POSTHORN_SCREENSHOTS
// names a folder for them: make screenshots.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("POSTHORN_SCREENSHOTS")
	if dir == "" {
		t.Skip("make screenshots makes them")
	}
	browser := startBrowser(t)
	s := startShown(t, func(up *allInOne, _ *shown) {
		out, err := run(t, 3*time.Minute, "simulate", "--url", "http://mailjet:secret@"+up.gateway+"/v1/webhooks/main", "--events", "60000", "--campaigns", "7")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
	for _, shot := range []struct {
		name, route, scheme string
		width, height       int64
	}{
		{"campaigns", "#/campaigns?tz=Europe/Paris", "light", 1280, 900},
		{"campaign", "#/campaign/{campaign}?tz=Europe/Paris", "light", 1280, 1500},
		{"campaign-dark", "#/campaign/{campaign}?tz=Europe/Paris", "dark", 1280, 900},
		{"engagement", "#/engagement?tz=Europe/Paris", "light", 1280, 1200},
		{"compare-dark", "#/compare?a={a}&b={b}&tz=Europe/Paris", "dark", 1280, 620},
		{"phone", "#/campaign/{campaign}?tz=Europe/Paris", "dark", 390, 844},
	} {
		p := openTab(t, browser, s.api)
		p.viewport(shot.width, shot.height)
		p.prefers(shot.scheme, "no-preference")
		p.open(s.places.Fill(shot.route))
		quality := int64(60)
		picture := call(p, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: "webp", Quality: &quality})
		path := filepath.Join(dir, shot.name+".webp")
		if err := os.WriteFile(path, picture.Data, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", path, len(picture.Data))
		p.quiet(shot.name)
	}
}
