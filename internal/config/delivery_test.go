package config

import (
	"slices"
	"testing"
	"time"
)

func TestDelivery(t *testing.T) {
	c, err := Load(write(t, "p.yaml", "delivery: {retry: [5s, 10m], timeout: 10s, disable_after: 0s}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := c.Delivery; !slices.Equal(d.Retry, []time.Duration{5 * time.Second, 10 * time.Minute}) || d.Timeout != 10*time.Second || d.DisableAfter != 0 {
		t.Errorf("%+v", d)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	for field, d := range map[string]Delivery{
		"delivery.retry":         {Retry: slices.Repeat([]time.Duration{24 * time.Hour}, 31)},
		"delivery.retry[1]":      {Retry: []time.Duration{time.Second, -1}},
		"delivery.timeout":       {Timeout: time.Hour},
		"delivery.disable_after": {DisableAfter: time.Minute},
	} {
		c := Default()
		c.Delivery.Retry = d.Retry
		if d.Timeout != 0 {
			c.Delivery.Timeout = d.Timeout
		}
		if d.DisableAfter != 0 {
			c.Delivery.DisableAfter = d.DisableAfter
		}
		if found := problems(c.Validate()); len(found) != 1 || found[field] == "" {
			t.Errorf("%s: %v", field, found)
		}
	}
	c = Default()
	c.Delivery.Retry = slices.Repeat([]time.Duration{time.Second}, maxRetries+1)
	if problems(c.Validate())["delivery.retry"] == "" {
		t.Error("any number of retries is taken")
	}
}
