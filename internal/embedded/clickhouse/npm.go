package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
)

// npm asks the npm client where a package's archive is: it knows the user's
// registry or mirror.
func npm(ctx context.Context, name, version string) (string, error) {
	client, err := exec.LookPath("npm")
	if err != nil {
		return "", errors.New("npm is not installed: install it (Debian: apt install npm); the library comes as the npm package " + name)
	}
	var out, problem bytes.Buffer
	command := exec.CommandContext(ctx, client, "view", name+"@"+version, "dist.tarball")
	command.Stdout, command.Stderr = &out, &problem
	if err := command.Run(); err != nil {
		text := strings.TrimSpace(problem.String())
		return "", fmt.Errorf("asking npm for %s@%s: %w: %.500s", name, version, err, text)
	}
	address := strings.TrimSpace(out.String())
	if u, err := url.Parse(address); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("asking npm for %s@%s: it answered %.200q, not an address", name, version, address)
	}
	return address, nil
}
