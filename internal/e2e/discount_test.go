package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// TestDiscount runs examples/discount as its README says.
func TestDiscount(t *testing.T) {
	const example = "../../examples/discount"
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("examples/discount was not tested: there is no curl")
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "shop")
	if out, err := exec.Command("go", "build", "-o", bin, "./"+example+"/shop").CombinedOutput(); err != nil {
		t.Fatalf("building the shop: %v\n%s", err, out)
	}
	shop := address(t)
	customers := startExampleShop(t, bin, shop)

	// The example's files as they are, but for addresses.
	text, err := os.ReadFile(filepath.Join(example, "posthorn.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Abs(filepath.Join(example, "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	gateway, api := address(t), address(t)
	config := filepath.Join(dir, "posthorn.yaml")
	changed := strings.NewReplacer(
		"127.0.0.1:9000", shop, "rules.yaml", rules, "data: discount-data", fmt.Sprintf(`data: %s
kafka: {listen: %q, partitions: 4}
registry: {listen: %q}
clickhouse: {listen: %q, sql_listen: %q}
gateway: {listen: %q}
api: {listen: %q}`, filepath.Join(dir, "data"), address(t), address(t), address(t), address(t), gateway, api)).Replace(string(text))
	if err := os.WriteFile(config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, "up", "up", "--config", config)
	eventually(t, 3*time.Minute, "starting", func() error { return httpOK("http://" + api + "/readyz") })

	cases := exec.Command("bash", filepath.Join(example, "cases.sh"))
	cases.Env = append(os.Environ(), "POSTHORN=http://"+gateway)
	if out, err := cases.CombinedOutput(); err != nil {
		t.Fatalf("cases.sh: %v\n%s", err, out)
	}
	want := []string{"anna@example.org", "emil@example.org"}
	eventually(t, time.Minute, "the discounts", func() error {
		if got := customers(); len(got) < len(want) {
			return fmt.Errorf("%v so far", got)
		}
		return nil
	})
	// It waits until every stage has passed all that was posted.
	if out, err := run(t, 3*time.Minute, "verify", "--config", config, "--quiet"); err != nil {
		t.Errorf("posthorn verify: %v\n%s", err, out)
	}
	if got := customers(); !slices.Equal(got, want) {
		t.Errorf("discounts for %v, want %v", got, want)
	}
	var expired int
	for _, value := range tailTopic(t, config, schemas.TopicTriggers) {
		if strings.Contains(string(value), `"expired"`) && strings.Contains(string(value), "dora@example.org") {
			expired++
		}
	}
	if expired != 1 {
		t.Errorf("%d expired triggers of dora, want one", expired)
	}
}

// startExampleShop runs the example's shop, and returns what tells who was given a
// discount, in order.
func startExampleShop(t *testing.T, bin, address string) func() []string {
	t.Helper()
	cmd := exec.Command(bin, "-listen", address)
	cmd.Stderr = os.Stderr
	log, err := os.Create(filepath.Join(t.TempDir(), "shop.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		log.Close()
	})
	return func() (customers []string) {
		f, err := os.Open(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if rest, ok := strings.CutPrefix(lines.Text(), "discount WELCOME10 (10 %, 14 days) for "); ok {
				customer, _, _ := strings.Cut(rest, ",")
				customers = append(customers, customer)
			}
		}
		slices.Sort(customers)
		return customers
	}
}
