package analytics

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDashboardLeadsToDefinitions: each heading of the statistics page that the
// dashboard links to is there.
func TestDashboardLeadsToDefinitions(t *testing.T) {
	page, err := statisticsPage()
	if err != nil {
		t.Fatal(err)
	}
	about := regexp.MustCompile(`about: "([^"]+)"|about = "([^"]+)"`)
	links := 0
	err = fs.WalkDir(os.DirFS("dashboard/assets"), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".js") {
			return err
		}
		text, err := os.ReadFile("dashboard/assets/" + path)
		for _, m := range about.FindAllStringSubmatch(string(text), -1) {
			links++
			if id := m[1] + m[2]; !strings.Contains(string(page), `id="`+id+`"`) {
				t.Errorf("%s links to #%s, which is not there", path, id)
			}
		}
		return err
	})
	if err != nil || links < 10 {
		t.Errorf("%d links: %v", links, err)
	}
}
