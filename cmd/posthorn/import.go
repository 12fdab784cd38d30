package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/ingest/upload"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/importer"
)

type importOptions struct {
	url, token, source string
	format             string
	faults             int
	dryRun             bool
}

var importFormats = map[string]upload.Format{"auto": upload.Auto, "ndjson": upload.NDJSON, "json": upload.JSON, "csv": upload.CSV, "avro": upload.OCF}

func (a *app) importCommand() *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use: "import FILE...", Short: "Post native events from files to a gateway", Args: cobra.MinimumNArgs(1),
		Long: `Posts the events of NDJSON, JSON, CSV (whose first row names the fields) and Avro
object container files, also of .gz and .zst, to a gateway's /v1/events. One that
is broken off goes on where it was when it is started again, and nothing is
counted twice. What is not accepted is listed, and the exit code is then 1.

Triggers do not call anybody for events older than their max_age.`,
		Example: `  posthorn import opens-2025.csv.gz
  posthorn import --dry-run *.ndjson
  posthorn import --url https://posthorn.example --token "$TOKEN" events.avro`,
		RunE: func(cmd *cobra.Command, files []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			c, err := o.importer(cfg)
			if err != nil {
				return err
			}
			return a.importFiles(cmd.Context(), files, c)
		},
	}
	config.AddFlags(cmd.Flags(), "data", "listen")
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "", "URL of the gateway (default: that of the running posthorn)")
	f.StringVar(&o.token, "token", "", "key of a source of provider native (default: that of the configured source)")
	f.StringVar(&o.source, "source", "", "the source, where several of provider native are configured")
	f.StringVar(&o.format, "format", "auto", "auto, ndjson, json, csv or avro; auto goes by the file's name and beginning")
	f.IntVar(&o.faults, "faults", 20, "how many faults are listed")
	f.BoolVar(&o.dryRun, "dry-run", false, "only check the files")
	return cmd
}

// importer prepares the import.
func (o *importOptions) importer(cfg *config.Config) (c importer.Config, err error) {
	format, ok := importFormats[o.format]
	if !ok {
		return c, fmt.Errorf("--format %q: one of auto, ndjson, json, csv, avro", o.format)
	}
	c = importer.Config{URL: o.url, Token: o.token, Format: format, MaxFaults: max(o.faults, 1), DryRun: o.dryRun}
	if o.dryRun {
		return c, nil
	}
	if c.URL == "" {
		c.URL = "http://" + cfg.Gateway.Listen
	}
	if c.URL = strings.TrimRight(c.URL, "/"); !strings.HasSuffix(c.URL, "/v1/events") {
		c.URL += "/v1/events"
	}
	if c.Token == "" {
		if c.Token, err = nativeToken(cfg, o.source); err != nil {
			return c, err
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return c, fmt.Errorf("looking for where to keep how far an import is: %w", err)
	}
	c.StateDir = filepath.Join(cache, "posthorn", "imports")
	return c, nil
}

// nativeToken is the key of the one source that takes uploads, or of the named one.
func nativeToken(cfg *config.Config, name string) (string, error) {
	var found []config.Source
	for _, s := range cfg.Sources {
		if s.Provider == provider.NameNative && (name == "" || s.Name == name) {
			found = append(found, s)
		}
	}
	switch {
	case len(found) == 0 && name != "":
		return "", fmt.Errorf("--source %s: no source of provider native has this name", name)
	case len(found) == 0:
		return "", errors.New("no source of provider native is configured: add {name, provider: native, key} to sources, or give --url and --token")
	case len(found) > 1:
		return "", errors.New("several sources of provider native are configured: say which with --source")
	}
	key, err := found[0].Key.Value()
	if err == nil && key == "" {
		err = errors.New("is not known here: name the configuration with --config, or give --token")
	}
	if err != nil {
		return "", fmt.Errorf("key of source %s: %w", found[0].Name, err)
	}
	return strings.TrimSpace(key), nil
}

func (a *app) importFiles(ctx context.Context, files []string, c importer.Config) error {
	bad := false
	for _, path := range files {
		start := time.Now()
		c.Progress = a.importProgress(path)
		r, err := importer.File(ctx, path, c)
		fmt.Fprint(a.errOut, "\r\033[K")
		done := "imported"
		if c.DryRun {
			done = "good"
		}
		fmt.Fprintf(a.out, "%s: %d events %s, %d not accepted, in %s", path, r.Accepted, done, r.Rejected, time.Since(start).Round(time.Millisecond))
		if r.Resumed > 0 {
			fmt.Fprintf(a.out, " (%d of them by an import before this one)", r.Resumed)
		}
		fmt.Fprintln(a.out)
		a.printFaults(r)
		bad = bad || r.Rejected > 0
		if err != nil {
			if !c.DryRun {
				fmt.Fprintf(a.errOut, "What is imported is kept. To go on from there, run the same command again: posthorn import %s\n", path)
			}
			return err
		}
	}
	if bad {
		return errSilent
	}
	return nil
}

func (a *app) printFaults(r importer.Result) {
	if len(r.Ignored) > 0 {
		fmt.Fprintf(a.out, "Nothing reads these fields: %s\n", strings.Join(r.Ignored, ", "))
	}
	if len(r.Faults) == 0 {
		return
	}
	t := newTable(a.out, r.Unit, "Field", "Reason", "Detail")
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 4, WidthMax: 90}})
	seen := map[int64]bool{}
	for _, f := range r.Faults {
		seen[f.Number] = true
		t.AppendRow(table.Row{f.Number, f.Field, f.Reason, f.Detail})
	}
	t.Render()
	if more := r.Rejected - int64(len(seen)); more > 0 {
		fmt.Fprintf(a.out, "... and %d more that are not accepted\n", more)
	}
}

// importProgress shows how far a file is read.
func (a *app) importProgress(path string) func(what string, done, total, events int64) {
	var bar *progressbar.ProgressBar
	current := ""
	return func(what string, done, total, events int64) {
		if what != current {
			current = what
			bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(a.errOut), progressbar.OptionShowBytes(true),
				progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
		}
		if events > 0 {
			bar.Describe(fmt.Sprintf("%s %s: %d events", what, filepath.Base(path), events))
		} else {
			bar.Describe(what + " " + filepath.Base(path))
		}
		_ = bar.Set64(done)
	}
}
