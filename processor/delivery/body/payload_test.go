package body

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

var update = flag.Bool("update", false, "write the golden files again")

// triggers are one of each kind of body.
func triggers() map[string]*schemas.Trigger {
	at := schemas.FromTime(time.Date(2026, 11, 23, 10, 0, 1, 0, time.UTC))
	of := func(kind string) *schemas.Trigger {
		return &schemas.Trigger{
			TriggerID: schemas.ID{1, 0, 1}, Tenant: "default", Rule: "discount", RuleVersion: "5f1c", Kind: kind, OncePer: "message",
			Status: schemas.TriggerStatusFired, Account: "shop", RecipientID: schemas.ID{9}, Recipient: "anna@gmail.example",
			CampaignID: "7272", CampaignName: "Spring <sale>", MessageID: "104427216766056450", CustomID: "order-1",
			OccurredAt: at, ArrivedAt: at + 250_000, Endpoint: "shop", Occurrence: "once",
			Evidence: []schemas.Evidence{{EventID: schemas.ID{7}, Type: "opened", OccurredAt: at, Machine: "human"}},
		}
	}
	within := of("within")
	within.AnchorAt, within.NotBefore = at-3_600_000_000, at+7_200_000_000
	count := of("count")
	count.WindowStart, count.WindowEnd, count.Hits, count.Occurrence = at-60_000_000, at, 3, "1795392000000000"
	rate := &schemas.Trigger{
		TriggerID: schemas.ID{2}, Tenant: "default", Rule: "bounces", RuleVersion: "77aa", Kind: "rate", OncePer: "campaign", CampaignID: "7272",
		OccurredAt: at, ArrivedAt: at, WindowStart: at - 600_000_000, WindowEnd: at, Hits: 12, Base: 200, State: "raised", Occurrence: "raised@1795514401000000",
	}
	return map[string]*schemas.Trigger{"within": within, "count": count, "rate": rate}
}

// The default bodies, byte by byte: whoever reads them relies on every field. A
// field may be added; none may change or go.
func TestDefaultBodies(t *testing.T) {
	for name, tr := range triggers() {
		file := filepath.Join("testdata", name+".json")
		got := Default(tr)
		if *update {
			if err := os.WriteFile(file, append(got, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != strings.TrimSpace(string(want)) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

// What bodies had before rules of other kinds came still stands at the same place.
func TestFieldsOfTheFirstVersion(t *testing.T) {
	tr := triggers()["within"]
	got := string(Default(tr))
	want := `{"type":"trigger.fired","timestamp":"2026-11-23T10:00:01Z","data":{"id":"` + tr.TriggerID.String() +
		`","tenant":"default","rule":"discount","rule_version":"5f1c","kind":"within","account":"shop","recipient":"anna@gmail.example","recipient_id":"` + tr.RecipientID.String() +
		`","campaign":"7272","campaign_name":"Spring <sale>","message":"104427216766056450","custom_id":"order-1","anchor_at":"2026-11-23T09:00:01Z","occurred_at":"2026-11-23T10:00:01Z","arrived_at":"2026-11-23T10:00:01.25Z","evidence":[{"event_id":"` +
		tr.Evidence[0].EventID.String() + `","type":"opened","occurred_at":"2026-11-23T10:00:01Z","machine":"human"}]`
	if !strings.HasPrefix(got, want+",") {
		t.Errorf("\n got %s\nwant %s,...", got, want)
	}
}

func TestDefaultBodyIsBounded(t *testing.T) {
	tr := triggers()["count"]
	long := strings.Repeat("\x01\"é<", 10_000)
	tr.Recipient, tr.CustomID, tr.CampaignName, tr.CampaignID, tr.MessageID, tr.Rule, tr.Tenant, tr.Account = long, long, long, long, long, long, long, long
	tr.Occurrence, tr.State, tr.RuleVersion, tr.Kind = long, long, long, long
	for range 5000 {
		tr.Evidence = append(tr.Evidence, schemas.Evidence{Type: long, Machine: long})
	}
	var p Payload
	b := Default(tr)
	if err := json.Unmarshal(b, &p); err != nil || len(b) >= MaxDefault || p.Data.EvidenceOmitted == 0 {
		t.Errorf("%d bytes, %d omitted, %v", len(b), p.Data.EvidenceOmitted, err)
	}
}
