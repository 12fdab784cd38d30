package verify

import (
	"testing"
	"time"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

func TestOpening(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	workdays := [7]bool{false, true, true, true, true, true, false}
	day := &trigger.Active{Days: workdays, From: 8 * 60, To: 20 * 60, Zone: paris}
	night := &trigger.Active{Days: workdays, From: 22 * 60, To: 2 * 60, Zone: paris}
	gap := &trigger.Active{Days: [7]bool{true, true, true, true, true, true, true}, From: 2*60 + 30, To: 2*60 + 45, Zone: paris}
	const layout = "2006-01-02 15:04:05"
	for _, tt := range []struct {
		name     string
		hours    *trigger.Active
		at, want string // by the clock of Paris; want empty: at once
	}{
		{"within", day, "2026-03-26 08:00:00", ""},
		{"to is not within", day, "2026-03-26 20:00:00", "2026-03-27 08:00:00"},
		{"over the weekend, when clocks are set", day, "2026-03-27 20:00:01", "2026-03-30 08:00:00"},
		{"past midnight", night, "2026-03-28 01:59:59", ""}, // of Friday
		{"the day is that of the beginning", night, "2026-03-29 23:00:00", "2026-03-30 22:00:00"},
		{"a day without these hours", gap, "2026-03-29 01:59:00", "2026-03-30 02:30:00"},
		{"a night with them twice", gap, "2026-10-25 02:46:00 +0200", "2026-10-25 02:30:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at, err := time.ParseInLocation(layout, tt.at, paris)
			if err != nil { // where the clock alone does not tell
				at, err = time.Parse(layout+" -0700", tt.at)
			}
			if err != nil {
				t.Fatal(err)
			}
			got := opening(tt.hours, schemas.FromTime(at))
			if text := got.Time().In(paris).Format(layout); got != 0 && text != tt.want || got == 0 && tt.want != "" {
				t.Errorf("got %s, want %s", got.Time().In(paris), tt.want)
			}
			if next, ok := tt.hours.Next(schemas.FromTime(at)); !ok || got != 0 && next != got || got == 0 && next != schemas.FromTime(at) {
				t.Errorf("the rule's own answer is %s", next.Time().In(paris))
			}
		})
	}
}
