package provider

import (
	"strings"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

// TestSendGridSamples decodes published samples where they are at hand.
func TestSendGridSamples(t *testing.T) {
	const (
		agent   = "Mozilla/4.0 (compatible; MSIE 6.1; Windows XP; .NET CLR 1.1.4322; .NET CLR 2.0.50727)"
		message = "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0"
		doc     = 1513299569e6
	)
	cat := []string{"cat facts"}
	// of completes what most of the documentation's events have in common.
	of := func(name, id string, e schemas.Event) schemas.Event {
		e.ProviderType, e.ProviderEventID, e.Recipient, e.RecipientDomain = name, id, "example@test.com", "test.com"
		e.OccurredAt, e.OccurredPrecisionMS, e.Tags, e.RFCMessageID = doc, 1000, cat, "<14c5d75ce93.dfd.64b469@ismtpd-555>"
		if e.MessageID == "" {
			e.MessageID = message
		}
		return e
	}
	batch := func(name string, e schemas.Event) schemas.Event {
		e.MessageID = "sg_message_id"
		return of(name, "sg_event_id", e)
	}
	browser := func(e schemas.Event) schemas.Event {
		e.UserAgent, e.IP, e.Machine = agent, "255.255.255.255", schemas.MachineHuman
		return e
	}
	queued, complained := schemas.Event{Type: schemas.EventTypeQueued}, schemas.Event{Type: schemas.EventTypeComplained}
	deferred := schemas.Event{Type: schemas.EventTypeDeferred, SMTPCode: 400, MTAResponse: "400 try again later", Attempt: 5}
	delivered := schemas.Event{Type: schemas.EventTypeDelivered, SMTPCode: 250, MTAResponse: "250 OK"}
	opened := browser(schemas.Event{Type: schemas.EventTypeOpened})
	clicked := browser(schemas.Event{Type: schemas.EventTypeClicked, URL: "http://www.sendgrid.com/"})
	bounced := schemas.Event{Type: schemas.EventTypeBounced, BounceClass: "hard", RejectReason: "bounced", SMTPCode: 500, SMTPEnhanced: "5.0.0", MTAResponse: "500 unknown recipient"}
	blocked := bounced
	blocked.BounceClass, blocked.RejectReason = "block", "blocked"
	dropped := schemas.Event{Type: schemas.EventTypeRejected, RejectReason: "bounced", SMTPEnhanced: "5.0.0", Description: "Bounced Address"}
	left := schemas.Event{Type: schemas.EventTypeUnsubscribed}
	leftGroup := browser(schemas.Event{Type: schemas.EventTypeUnsubscribed, ListID: "10"})
	back := browser(schemas.Event{Type: schemas.EventTypeSubscribed, ListID: "10"})
	backNoIP := back
	backNoIP.IP = ""
	inBatch := func(tags []string, who string) schemas.Event {
		return schemas.Event{Type: schemas.EventTypeOpened, ProviderType: "open", Recipient: who + ".doe@sendgrid.com", OccurredAt: 1337966815e6, Tags: tags}
	}
	oneOf := func(e schemas.Event) []schemas.Event { return []schemas.Event{e} }

	want := map[string][]schemas.Event{
		"docs_all_events_batch.json": {
			batch("processed", queued), batch("deferred", deferred), batch("delivered", delivered), batch("open", opened), batch("click", clicked), batch("bounce", bounced),
			batch("dropped", dropped), batch("spamreport", complained), batch("unsubscribe", left), batch("group_unsubscribe", leftGroup), batch("group_resubscribe", backNoIP),
		},
		"docs_all_events_batch-2.json": {inBatch([]string{"newuser"}, "john"), inBatch([]string{"olduser"}, "jane")},
		"docs_all_events_batch-3.json": {inBatch([]string{"newuser", "transactional"}, "john"), inBatch([]string{"olduser"}, "jane")},
		"docs_bounce.json":             oneOf(of("bounce:bounce", "6g4ZI7SA-xmRDv57GoPIPw==", bounced)),
		"docs_bounce_blocked.json":     oneOf(of("bounce:blocked", "6g4ZI7SA-xmRDv57GoPIPw==", blocked)),
		"docs_click.json":              oneOf(of("click", "kCAi1KttyQdEKHhdC-nuEA==", clicked)),
		"docs_click-2.json": oneOf(schemas.Event{Type: schemas.EventTypeClicked, ProviderType: "click", MessageID: "sendgrid_internal_message_id", Recipient: "john.doe@sendgrid.com",
			OccurredAt: 1337966815e6, URL: "https://sendgrid.com", Metadata: map[string]string{"userid": "1123", "template": "welcome"}}),
		"docs_click-3.json": oneOf(schemas.Event{Type: schemas.EventTypeClicked, ProviderType: "click", ProviderEventID: "sendgrid_internal_event_id", MessageID: "sendgrid_internal_message_id",
			Recipient: "email@example.com", OccurredAt: 1249948800e6, IP: "255.255.255.255", URL: "http://yourdomain.com/blog/news.html", LinkIndex: 1, CampaignID: "1943530", ListID: "1",
			Machine: schemas.MachineHuman, Tags: []string{"category1", "category2"}, Metadata: map[string]string{"unique_arg_key": "unique_arg_value"}}),
		"docs_deferred.json":  oneOf(of("deferred", "t7LEShmowp86DTdUW8M-GQ==", deferred)),
		"docs_delivered.json": oneOf(of("delivered", "rWVYmVk90MjZJ9iohOBa3w==", delivered)),
		"docs_delivered-2.json": oneOf(schemas.Event{Type: schemas.EventTypeDelivered, ProviderType: "delivered", ProviderEventID: "X2M1IUfMRhuAhWM0CbmFqQ", MessageID: "fPJrJPIRTxC_obpgfTy74w.stfilter-015.5185.55F883564.0",
			Recipient: "tadpole_0001@stbase-018.sjc1.sendgrid.net", OccurredAt: 1442349911e6, CampaignID: "23314", CampaignName: "unique args ab", SMTPCode: 250}),
		"docs_dropped.json":           oneOf(of("dropped", "zmzJhfJgAfUSOW80yEbPyw==", dropped)),
		"docs_group_resubscribe.json": oneOf(of("group_resubscribe", "w_u0vJhLT-OFfprar5N93g==", back)),
		"docs_group_unsubscribe.json": oneOf(of("group_unsubscribe", "ahSCB7xYcXFb-hEaawsPRw==", leftGroup)),
		"docs_open.json":              oneOf(of("open", "FOTFFO0ecsBE-zxFXfs6WA==", opened)),
		"docs_open-2.json": oneOf(schemas.Event{Type: schemas.EventTypeOpened, ProviderType: "open", MessageID: "sendgrid_internal_message_id", Recipient: "email@example.com",
			OccurredAt: 1591726752372e3, OccurredPrecisionMS: 1, CampaignID: "sendgrid_singlesend_id", CampaignName: "Example Single Send", IP: "127.0.0.1", UserAgent: agent, Machine: schemas.MachineHuman}),
		"docs_processed.json": oneOf(of("processed", "rbtnWrG1DVDGGGFHFyun0A==", schemas.Event{Type: schemas.EventTypeQueued, MessageID: strings.TrimSuffix(message, "0") + strings.Repeat("0", 21)})),
		"docs_processed-2.json": oneOf(schemas.Event{Type: schemas.EventTypeQueued, ProviderType: "Processed", Recipient: "john.doe@sendgrid.com", OccurredAt: 123456789e6,
			Metadata: map[string]string{"customerAccountNumber": "55555", "activationAttempt": "1", "New Argument 1": "New Value 1"}}),
		"docs_processed-3.json": oneOf(schemas.Event{Type: schemas.EventTypeQueued, ProviderType: "processed", MessageID: "sendgrid_internal_message_id", Recipient: "email@example.com",
			OccurredAt: 1442349428e6, CampaignID: "12345", CampaignName: "campaign name"}),
		"docs_processed-4.json": oneOf(schemas.Event{Type: schemas.EventTypeQueued, ProviderType: "processed", MessageID: "5lFl7Fr1Rjme_EyzNNB_5A.stfilter-015.5185.55F883172.0",
			RFCMessageID: "<5lFl7Fr1Rjme_EyzNNB_5A@stismtpd-006.sjc1.sendgrid.net>", Recipient: "tadpole_0010@stbase-018.sjc1.sendgrid.net", OccurredAt: 1442349848e6, CampaignID: "23314", CampaignName: "unique args ab"}),
		"docs_processed-5.json": oneOf(schemas.Event{Type: schemas.EventTypeQueued, ProviderType: "processed", MessageID: "14c583da911.2c36.1c804d.filter-406.22375.55148AA99.0",
			RFCMessageID: "<14c583da911.2c36.1c804d@ismtpd-073>", Recipient: "john.doe@sendgrid.com", OccurredAt: 1427409578e6}),
		"docs_spamreport.json":  oneOf(of("spamreport", "37nvH5QBz858KGVYCM4uOA==", complained)),
		"docs_unsubscribe.json": oneOf(of("unsubscribe", "zz_BjPgU_5pS-J8vlfB1sg==", left)),
		"docs_unsubscribe-2.json": oneOf(schemas.Event{Type: schemas.EventTypeUnsubscribed, ProviderType: "unsubscribe", Recipient: "nick@sendgrid.com", OccurredAt: 1380822437e6,
			CampaignID: "1943530", ListID: "10557865", Tags: []string{"Tests", "Newsletter"}}),
	}
	for file, body := range samples(t, "sendgrid") {
		t.Run(file, func(t *testing.T) {
			got := events(t, SendGrid{}, hook(SendGrid{}, "application/json", body))
			if len(got) != len(want[file]) {
				t.Fatalf("%d events, want %d", len(got), len(want[file]))
			}
			for i, ev := range got {
				expect(t, ev, want[file][i])
				if file != "docs_processed-2.json" && !strings.HasPrefix(file, "docs_click-") && len(ev.Metadata) > 0 {
					t.Errorf("metadata of the sender: %v", ev.Metadata)
				}
			}
		})
	}
}
