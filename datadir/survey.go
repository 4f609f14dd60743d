package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"

	"flowd/block"
	"flowd/dedupe"
	"flowd/disk"
	"flowd/store/manifest"
	"flowd/view"
	"flowd/wal"
)

// Inspect returns the content of the folder. It reads the manifest, the windows and the log as a start
// does, and only sizes and footers of the blocks. Its errors are those of Check, that of the context, or
// that the folder changed too often; damage is part of the report.
func Inspect(ctx context.Context, fsys disk.FS, dir string) (*Report, error) {
	return newSurvey(fsys, dir, false).run(ctx)
}

// Verify is like Inspect, but also reads all bytes and rows of the blocks, and compares their sums with the
// accounts.
func Verify(ctx context.Context, fsys disk.FS, dir string) (*Report, error) {
	return newSurvey(fsys, dir, true).run(ctx)
}

// survey examines a folder, again if it changes.
type survey struct {
	fsys  disk.FS
	dir   string
	whole bool
	// known maps the blocks that were verified to the sums of their rows, so that they need not be read
	// again if the next manifest names them too.
	known map[block.File]block.Sums
}

func newSurvey(fsys disk.FS, dir string, whole bool) *survey {
	return &survey{fsys: fsys, dir: dir, whole: whole, known: map[block.File]block.Sums{}}
}

// run repeats the examination until the manifest is the same before and after.
func (s *survey) run(ctx context.Context) (*Report, error) {
	if err := Check(s.fsys, s.dir); err != nil {
		return nil, fmt.Errorf("%s: %w", s.dir, err)
	}
	for range attempts {
		r := &Report{Folder: s.dir, Use: UseOf(s.fsys, s.dir), Whole: s.whole,
			Hours: []Hour{}, Unnamed: []string{}, Damage: []Finding{}} // not null in JSON
		m, from, err := readManifest(s.fsys, s.dir)
		if err != nil {
			return s.withoutManifest(ctx, r, err)
		}
		if err := s.look(ctx, r, m, from); err != nil {
			return nil, err
		}
		if again, err := changed(s.fsys, s.dir, m); err != nil || !again {
			return r, err
		}
	}
	return nil, fmt.Errorf("%s: %d checkpoints were made while it was looked at: try again when the server has less to do", s.dir, attempts)
}

// withoutManifest reports what can be told without a readable manifest.
func (s *survey) withoutManifest(ctx context.Context, r *Report, reading error) (*Report, error) {
	finding := findingOf(manifest.Name, reading)
	if errors.Is(reading, fs.ErrNotExist) {
		finding.What += ": without it, it is unknown which files count"
	}
	log, findings, err := surveySegments(ctx, s.fsys, s.dir)
	if err != nil {
		return nil, err
	}
	r.Log, r.Whole = log, false
	r.Damage = append([]Finding{finding}, findings...)
	return r, nil
}

// look fills in the parts of r that m describes, and the log from a position on.
func (s *survey) look(ctx context.Context, r *Report, m *manifest.Manifest, from wal.Position) error {
	r.Manifest = manifestOf(m, from)
	r.Damage = append(r.Damage, checkAccount(m)...)
	if m.Windows != nil {
		var finding *Finding
		if r.Windows, finding = s.windows(m.Windows); finding != nil {
			r.Damage = append(r.Damage, *finding)
		}
	}
	for i := range m.Hours {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.Hours = append(r.Hours, hourOf(&m.Hours[i]))
		r.Damage = append(r.Damage, s.hour(&m.Hours[i])...)
	}
	names, err := unnamed(s.fsys, s.dir, m)
	r.Unnamed = append(r.Unnamed, names...)
	if err != nil {
		r.Damage = append(r.Damage, findingOf(".", err))
	}
	if err := s.parquet(ctx, r, m); err != nil {
		return err
	}
	return s.log(ctx, r, from)
}

// A server replaces an hour's file in parquet/ after the manifest, as soon as no reader uses it. So while a
// server uses the folder and the manifest stays the same, problems there are examined again for some time.
const (
	parquetTries = 100
	parquetWait  = 50 * time.Millisecond
)

// parquet compares the folder for other programs with m.
func (s *survey) parquet(ctx context.Context, r *Report, m *manifest.Manifest) error {
	for try := 1; ; try++ {
		found, err := view.Check(s.fsys, s.dir, m.Blocks(), s.whole)
		if err != nil {
			r.Parquet = &Parquet{Wrong: []Finding{findingOf(parquetFolder, err)}}
			return nil
		}
		if found == nil {
			return nil
		}
		again := len(found.Wrong) > 0 && try < parquetTries && UseOf(s.fsys, s.dir) == UseServer
		if again {
			now, err := changed(s.fsys, s.dir, m)
			if err != nil || now {
				return err // run starts over
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(parquetWait):
			}
			continue
		}
		r.Parquet = &Parquet{Hours: found.Hours, Empty: found.Empty, Wrong: []Finding{}} // not null in JSON
		for _, w := range found.Wrong {
			r.Parquet.Wrong = append(r.Parquet.Wrong, Finding{w.File, -1, w.What})
		}
		return nil
	}
}

// hour examines the block of an hour.
func (s *survey) hour(e *manifest.Hour) []Finding {
	if e.Block == (block.File{}) {
		return nil
	}
	if !s.whole {
		if err := checkFooter(s.fsys, s.dir, e.Block); err != nil {
			return []Finding{findingOf(e.Block.Name, err)}
		}
		return nil
	}
	sums, ok := s.known[e.Block]
	if !ok {
		var err error
		if sums, err = sumBlock(s.fsys, s.dir, e.Block); err != nil {
			return []Finding{findingOf(e.Block.Name, err)}
		}
		s.known[e.Block] = sums
	}
	return compareSums(e, sums)
}

// windows reads the dedupe windows.
func (s *survey) windows(p *block.Part) (*Windows, *Finding) {
	w := &Windows{File: p.Name, Bytes: p.Size}
	stats, err := s.readWindows(p)
	if err != nil {
		finding := findingOf(p.Name, err)
		return w, &finding
	}
	w.Keys, w.Agents = stats.Keys, stats.Agents
	return w, nil
}

func (s *survey) readWindows(p *block.Part) (dedupe.Stats, error) {
	part, err := block.OpenPart(s.fsys, s.dir, *p)
	if err != nil {
		return dedupe.Stats{}, err
	}
	// These bounds keep Read from forgetting anything.
	all := dedupe.Options{Window: time.Duration(math.MaxInt64), Keys: math.MaxInt32, Agents: math.MaxInt32}
	windows, err := dedupe.Read(part, all)
	if err = errors.Join(err, part.Close()); err != nil {
		return dedupe.Stats{}, err
	}
	return windows.Stats(), nil
}

// log reads the log. It reads it again after a problem: a server may have written between two reads, while
// damage stays at its place.
func (s *survey) log(ctx context.Context, r *Report, from wal.Position) error {
	var before *Finding
	for range attempts {
		log, finding, err := readLog(ctx, s.fsys, s.dir, from)
		if err != nil {
			return err
		}
		r.Log = log
		if finding == nil {
			return nil
		}
		if before != nil && finding.samePlace(*before) {
			r.Damage = append(r.Damage, *finding)
			return nil
		}
		before = finding
	}
	return fmt.Errorf("%s: the log changed each of %d times that it was read: try again when the server has less to do", s.dir, attempts)
}
