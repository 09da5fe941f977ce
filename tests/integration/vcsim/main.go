// SPDX-License-Identifier: Apache-2.0
//
// A vCenter/ESXi test peer for virtmeter.
//
// The SOAP server, inventory, session handling, fault encoding and the sampled
// performance data are those of govmomi's "simulator" package as packaged by
// Debian (golang-github-vmware-govmomi-dev); this file only starts it.
//
// With -lab (the default) five behaviours that a real vCenter has and that
// govmomi 0.24 lacks are added, see "lab extensions" below.  Run with -lab=false
// to test against the unmodified third-party code.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/simulator/vpx"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

var (
	maxQueryMetrics = flag.Int("max-query-metrics", 64, "lab: entity*metric pairs allowed in one QueryPerf (-1: no limit, 0: no limit and no such setting)")
	pageLimit       = flag.Int("page", 0, "lab: server side cap on objects per RetrievePropertiesEx page (0: none)")
	novaEvery       = flag.Int("nova-every", 1, "lab: every Nth VM has extraConfig nvp.vm-uuid (0: none)")
	record          = flag.String("record", "", "lab: folder that each request is written to")
	offEvery        = flag.Int("off-every", 0, "lab: every Nth VM is powered off (0: none)")
)

// ---------------------------------------------------------------- lab state

// fault is one kind of trouble that POST /lab/fail asked for.
type fault struct {
	method, match string // requests of this method ("": any) whose body holds this text
	count         int    // how many of them
	status        int    // HTTP status instead of an answer
	fault         string // vim fault of this type instead of an answer
	text          string // its words
	detail        string // XML within
	delay         time.Duration
	reset         bool   // the connection ends without an answer
	body          []byte // answered in place of what is right
	before        bool   // ... or before it
}

type metricKey struct {
	entity   string // managed object id, e.g. vm-57, or "*"
	counter  int32
	instance string
}

var lab struct {
	sync.Mutex
	fixed    map[metricKey][]int64 // values set by POST /lab/metric
	faults   []*fault              // what goes wrong, in the order of POST /lab/fail
	recorded int                   // requests written with -record
	calls    map[string]int        // requests seen, by SOAP method
	objects  int                   // objects returned by the property collector
	logins   int
	reported []string // last SOAPAction headers
}

// The counter table and the captured samples of the simulated product.
var (
	perfCounter = vpx.PerfCounter
	metricData  = vpx.MetricData
)

// counterByName resolves "group.name.rollup" as the vCenter counter table does.
func counterByName(s string) (int32, bool) {
	for _, c := range perfCounter {
		n := c.GroupInfo.GetElementDescription().Key + "." + c.NameInfo.GetElementDescription().Key + "." + string(c.RollupType)
		if n == s {
			return c.Key, true
		}
	}
	return 0, false
}

// ---------------------------------------------------------- lab extensions 1:
// PerformanceManager: "*" and "" instance rules, csv format, maxQueryMetrics,
// fixed values, no samples for a powered-off VM, -1 for a missing sample,
// samples that are 0.

type labPerf struct {
	simulator.PerformanceManager
}

func vmOf(ref types.ManagedObjectReference) *simulator.VirtualMachine {
	vm, _ := simulator.Map.Get(ref).(*simulator.VirtualMachine)
	return vm
}

// PerfMetricIntSeries shadows the type of govmomi, whose "omitempty" loses every
// sample that is 0; the encoder takes xsi:type from the name of the Go type.
type PerfMetricIntSeries struct {
	types.PerfMetricSeries

	Value []int64 `xml:"value"`
}

// available lists the (counter, instance) pairs that the third-party code
// advertises for an entity.
func (p *labPerf) available(ctx *simulator.Context, e types.ManagedObjectReference) []types.PerfMetricId {
	b := p.PerformanceManager.QueryAvailablePerfMetric(ctx, &types.QueryAvailablePerfMetric{Entity: e, IntervalId: 20})
	ids := b.(*methods.QueryAvailablePerfMetricBody).Res.Returnval
	if e.Type == "VirtualMachine" {
		// The captured table has no per-device rows for disk.* and none for
		// virtualDisk.* devices; a vCenter has them.
		for _, n := range []string{"disk.read.average", "disk.write.average", "disk.numberReadAveraged.average", "disk.numberWriteAveraged.average"} {
			if id, ok := counterByName(n); ok {
				for _, inst := range []string{"naa.600508b1001c0000", "naa.600508b1001c0001"} {
					ids = append(ids, types.PerfMetricId{CounterId: id, Instance: inst})
				}
			}
		}
		for _, n := range []string{"virtualDisk.read.average", "virtualDisk.write.average", "virtualDisk.numberReadAveraged.average", "virtualDisk.numberWriteAveraged.average", "virtualDisk.totalReadLatency.average", "virtualDisk.totalWriteLatency.average"} {
			if id, ok := counterByName(n); ok {
				for _, inst := range []string{"scsi0:0", "scsi0:1"} {
					ids = append(ids, types.PerfMetricId{CounterId: id, Instance: inst})
				}
			}
		}
		vm := vmOf(e)
		if vm != nil && vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
			return nil
		}
	}
	return ids
}

func (p *labPerf) QueryAvailablePerfMetric(ctx *simulator.Context, req *types.QueryAvailablePerfMetric) soap.HasFault {
	if simulator.Map.Get(req.Entity) == nil {
		return &methods.QueryAvailablePerfMetricBody{Fault_: simulator.Fault("", &types.ManagedObjectNotFound{Obj: req.Entity})}
	}
	return &methods.QueryAvailablePerfMetricBody{Res: &types.QueryAvailablePerfMetricResponse{Returnval: p.available(ctx, req.Entity)}}
}

// sample gives the value of one metric at sample index i of the series: the
// value set through /lab/metric, else the captured table entry for that 20 s
// slot (no noise, so that a test can compute it), else 0.
func sample(e types.ManagedObjectReference, id types.PerfMetricId, slot int64, i int) int64 {
	lab.Lock()
	defer lab.Unlock()
	for _, ent := range []string{e.Value, "*"} {
		for _, inst := range []string{id.Instance, "*"} {
			if v, ok := lab.fixed[metricKey{ent, id.CounterId, inst}]; ok && len(v) > 0 {
				return v[i%len(v)]
			}
		}
	}
	if pts := metricData[e.Type][id.CounterId]; len(pts) > 0 {
		return pts[int(slot%int64(len(pts)))]
	}
	return 0
}

func (p *labPerf) QueryPerf(ctx *simulator.Context, req *types.QueryPerf) soap.HasFault {
	body := &methods.QueryPerfBody{}
	n := 0
	for i, qs := range req.QuerySpec {
		if simulator.Map.Get(qs.Entity) == nil {
			body.Fault_ = simulator.Fault("The object has already been deleted or has not been completely created",
				&types.ManagedObjectNotFound{Obj: qs.Entity})
			return body
		}
		for _, m := range qs.MetricId {
			if _, ok := p.counter(m.CounterId); !ok {
				prop := fmt.Sprintf("querySpec[%d].metricId", i)
				body.Fault_ = simulator.Fault("A specified parameter was not correct: "+prop,
					&types.InvalidArgument{InvalidProperty: prop})
				return body
			}
		}
		if k := len(qs.MetricId); k > 0 {
			n += k
		} else {
			n++
		}
	}
	if *maxQueryMetrics > 0 && n > *maxQueryMetrics {
		d := "vpxd.stats.maxQueryMetrics"
		body.Fault_ = simulator.Fault("This operation is restricted by the administrator - '"+d+"'. Contact your system administrator.",
			&types.RestrictedByAdministrator{Details: d})
		return body
	}
	body.Res = &types.QueryPerfResponse{}
	for _, qs := range req.QuerySpec {
		r := p.query(ctx, qs)
		if r != nil {
			body.Res.Returnval = append(body.Res.Returnval, r)
		}
	}
	return body
}

func (p *labPerf) counter(id int32) (types.PerfCounterInfo, bool) {
	for _, c := range p.PerfCounter {
		if c.Key == id {
			return c, true
		}
	}
	return types.PerfCounterInfo{}, false
}

func (p *labPerf) query(ctx *simulator.Context, qs types.PerfQuerySpec) types.BasePerfEntityMetricBase {
	avail := p.available(ctx, qs.Entity)
	interval := int64(qs.IntervalId)
	if interval <= 0 {
		interval = 20
	}
	end := time.Now().UTC()
	if qs.EndTime != nil {
		end = qs.EndTime.UTC()
	}
	last := end.Unix() / interval // newest complete slot
	keep := int64(3600) / interval
	first := last - keep + 1
	if qs.StartTime != nil {
		if s := qs.StartTime.Unix()/interval + 1; s > first {
			first = s
		}
	}
	cnt := last - first + 1
	if cnt < 0 {
		cnt = 0
	}
	if qs.MaxSample > 0 && int64(qs.MaxSample) < cnt {
		cnt = int64(qs.MaxSample)
	}
	first = last - cnt + 1

	want := qs.MetricId
	if len(want) == 0 {
		want = avail
	}
	var ids []types.PerfMetricId
	seen := map[types.PerfMetricId]bool{}
	for _, w := range want {
		for _, a := range avail {
			if a.CounterId != w.CounterId {
				continue
			}
			if w.Instance == "*" || w.Instance == a.Instance {
				if !seen[a] {
					seen[a] = true
					ids = append(ids, a)
				}
			}
		}
	}
	sort.SliceStable(ids, func(i, j int) bool { return ids[i].CounterId < ids[j].CounterId })
	if len(ids) == 0 {
		cnt = 0
	}
	if qs.Format == string(types.PerfFormatCsv) {
		m := &types.PerfEntityMetricCSV{PerfEntityMetricBase: types.PerfEntityMetricBase{Entity: qs.Entity}}
		var si []string
		for i := int64(0); i < cnt; i++ {
			si = append(si, strconv.FormatInt(interval, 10), time.Unix((first+i)*interval, 0).UTC().Format(time.RFC3339))
		}
		m.SampleInfoCSV = strings.Join(si, ",")
		for _, id := range ids {
			var vs []string
			for i := int64(0); i < cnt; i++ {
				vs = append(vs, strconv.FormatInt(sample(qs.Entity, id, first+i, int(i)), 10))
			}
			m.Value = append(m.Value, types.PerfMetricSeriesCSV{PerfMetricSeries: types.PerfMetricSeries{Id: id}, Value: strings.Join(vs, ",")})
		}
		return m
	}
	m := &types.PerfEntityMetric{PerfEntityMetricBase: types.PerfEntityMetricBase{Entity: qs.Entity}}
	for i := int64(0); i < cnt; i++ {
		m.SampleInfo = append(m.SampleInfo, types.PerfSampleInfo{Timestamp: time.Unix((first+i)*interval, 0).UTC(), Interval: int32(interval)})
	}
	for _, id := range ids {
		s := &PerfMetricIntSeries{PerfMetricSeries: types.PerfMetricSeries{Id: id}}
		for i := int64(0); i < cnt; i++ {
			s.Value = append(s.Value, sample(qs.Entity, id, first+i, int(i)))
		}
		m.Value = append(m.Value, s)
	}
	return m
}

// ---------------------------------------------------------- lab extensions 2:
// PropertyCollector: options.maxObjects with a continuation token,
// config.extraConfig["key"].value, InvalidProperty as a fault of the call,
// a recursive folder walk.

type labPC struct {
	simulator.PropertyCollector
}

type page struct {
	session string
	max     int32
	rest    []types.ObjectContent
}

var pages = struct {
	sync.Mutex
	m map[string]page
}{m: map[string]page{}}

var extraRE = regexp.MustCompile(`^config\.extraConfig\["([^"]+)"\](\.value)?$`)

func paginate(ctx *simulator.Context, objs []types.ObjectContent, max int32) (out []types.ObjectContent, token string) {
	lim := int(max)
	if *pageLimit > 0 && (lim == 0 || lim > *pageLimit) {
		lim = *pageLimit
	}
	if lim == 0 || len(objs) <= lim {
		lim = len(objs)
	} else {
		token = uuid.New().String()
		key := ""
		if ctx.Session != nil {
			key = ctx.Session.Key
		}
		pages.Lock()
		pages.m[token] = page{key, max, objs[lim:]}
		pages.Unlock()
	}
	lab.Lock()
	lab.objects += lim
	lab.Unlock()
	return objs[:lim], token
}

// flatten replaces a recursive walk from a folder (govmomi 0.24 ignores the type
// of a TraversalSpec and recurses for ever on the one of oslo.vmware) by the
// objects that it ends at: all those of the wanted types.
func flatten(o types.ObjectSpec, props []types.PropertySpec) []types.ObjectSpec {
	walk := false
	for _, s := range o.SelectSet {
		if t, ok := s.(*types.TraversalSpec); ok && t.Type == "Folder" && t.Path == "childEntity" {
			walk = true
		}
	}
	if !walk {
		return []types.ObjectSpec{o}
	}
	var out []types.ObjectSpec
	for _, p := range props {
		for _, e := range simulator.Map.All(p.Type) {
			out = append(out, types.ObjectSpec{Obj: e.Reference()})
		}
	}
	return out
}

func (pc *labPC) RetrievePropertiesEx(ctx *simulator.Context, r *types.RetrievePropertiesEx) soap.HasFault {
	var extra []string
	q := *r
	q.SpecSet = nil
	for _, s := range r.SpecSet {
		n := s
		n.PropSet = nil
		for _, p := range s.PropSet {
			c := p
			c.PathSet = nil
			for _, path := range p.PathSet {
				if m := extraRE.FindStringSubmatch(path); m != nil && p.Type == "VirtualMachine" {
					extra = append(extra, path)
				} else {
					c.PathSet = append(c.PathSet, path)
				}
			}
			n.PropSet = append(n.PropSet, c)
		}
		n.ObjectSet = nil
		for _, o := range s.ObjectSet {
			n.ObjectSet = append(n.ObjectSet, flatten(o, s.PropSet)...)
		}
		q.SpecSet = append(q.SpecSet, n)
	}
	res := pc.PropertyCollector.RetrievePropertiesEx(ctx, &q)
	b, ok := res.(*methods.RetrievePropertiesExBody)
	if !ok || b.Fault_ != nil {
		return res
	}
	objs := b.Res.Returnval.Objects
	for i := range objs {
		o := &objs[i]
		for _, m := range o.MissingSet {
			if ip, ok := m.Fault.Fault.(*types.InvalidProperty); ok {
				return &methods.RetrievePropertiesExBody{Fault_: simulator.Fault("", &types.InvalidProperty{Name: ip.Name})}
			}
		}
		vm := vmOf(o.Obj)
		if vm == nil || vm.Config == nil {
			continue
		}
		for _, path := range extra {
			m := extraRE.FindStringSubmatch(path)
			for _, ov := range vm.Config.ExtraConfig {
				v := ov.GetOptionValue()
				if v.Key != m[1] {
					continue
				}
				var val types.AnyType = *v
				if m[2] != "" {
					val = v.Value
				}
				if ctx.Session != nil {
					o.PropSet = append(o.PropSet, types.DynamicProperty{Name: path, Val: val})
				}
			}
		}
	}
	var max int32
	if r.Options.MaxObjects > 0 {
		max = r.Options.MaxObjects
	}
	if len(objs) == 0 {
		// A vCenter omits returnval when nothing was selected.
		b.Res.Returnval = nil
		return b
	}
	b.Res.Returnval.Objects, b.Res.Returnval.Token = paginate(ctx, objs, max)
	return b
}

func (pc *labPC) RetrieveProperties(ctx *simulator.Context, r *types.RetrieveProperties) soap.HasFault {
	return pc.PropertyCollector.RetrieveProperties(ctx, r)
}

func takePage(ctx *simulator.Context, token string) (page, bool) {
	pages.Lock()
	defer pages.Unlock()
	p, ok := pages.m[token]
	if ok && ctx.Session != nil && p.session != ctx.Session.Key {
		ok = false
	}
	if ok {
		delete(pages.m, token)
	}
	return p, ok
}

func (pc *labPC) ContinueRetrievePropertiesEx(ctx *simulator.Context, r *types.ContinueRetrievePropertiesEx) soap.HasFault {
	b := &methods.ContinueRetrievePropertiesExBody{}
	p, ok := takePage(ctx, r.Token)
	if !ok {
		b.Fault_ = simulator.Fault("A specified parameter was not correct: token", &types.InvalidArgument{InvalidProperty: "token"})
		return b
	}
	b.Res = &types.ContinueRetrievePropertiesExResponse{}
	b.Res.Returnval.Objects, b.Res.Returnval.Token = paginate(ctx, p.rest, p.max)
	return b
}

func (pc *labPC) CancelRetrievePropertiesEx(ctx *simulator.Context, r *types.CancelRetrievePropertiesEx) soap.HasFault {
	b := &methods.CancelRetrievePropertiesExBody{}
	if _, ok := takePage(ctx, r.Token); !ok {
		b.Fault_ = simulator.Fault("A specified parameter was not correct: token", &types.InvalidArgument{InvalidProperty: "token"})
		return b
	}
	b.Res = &types.CancelRetrievePropertiesExResponse{}
	return b
}

// ---------------------------------------------------------- lab extensions 3:
// inventory: Nova-like names and identities.

func provision() {
	var vms []*simulator.VirtualMachine
	for _, e := range simulator.Map.All("VirtualMachine") {
		vms = append(vms, e.(*simulator.VirtualMachine))
	}
	sort.Slice(vms, func(i, j int) bool {
		a, _ := strconv.Atoi(strings.TrimPrefix(vms[i].Self.Value, "vm-"))
		b, _ := strconv.Atoi(strings.TrimPrefix(vms[j].Self.Value, "vm-"))
		return a < b
	})
	for i, vm := range vms {
		id := fmt.Sprintf("4dc7b1c0-0000-4000-8000-%012x", i+1)
		if *novaEvery > 0 && i%*novaEvery == 0 {
			vm.Config.ExtraConfig = append(vm.Config.ExtraConfig,
				&types.OptionValue{Key: "nvp.vm-uuid", Value: id},
				&types.OptionValue{Key: "nvp.iface-id.0", Value: fmt.Sprintf("4dc7b1c0-1111-4000-8000-%012x", i+1)})
		}
		cpus, mem := int32(1<<uint(i%4)), int32(1024*(1+i%4))
		vm.Config.Hardware.NumCPU, vm.Config.Hardware.MemoryMB = cpus, mem
		vm.Summary.Config.NumCpu, vm.Summary.Config.MemorySizeMB = cpus, mem
		vm.Config.Annotation = fmt.Sprintf("note %d", i+1)
		vm.CustomValue = append(vm.CustomValue, &types.CustomFieldStringValue{CustomFieldValue: types.CustomFieldValue{Key: 101},
			Value: fmt.Sprintf("team <%d>", i+1)})
		if *offEvery > 0 && i%*offEvery == *offEvery-1 {
			vm.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff
			vm.Summary.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff
		}
	}
}

// ---------------------------------------------------------- lab extensions 4 and 5:
// the config.vpxd.stats.maxQueryMetrics setting (in main);
// control channel and fault injection in front of /sdk.

var methodRE = regexp.MustCompile(`(?s)<(?:[A-Za-z0-9_-]+:)?Body[^>]*>\s*<(?:[A-Za-z0-9_-]+:)?([A-Za-z]+)`)

type teeBody struct {
	*strings.Reader
}

func (teeBody) Close() error { return nil }

func control(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/lab/metric", func(w http.ResponseWriter, r *http.Request) {
		// POST /lab/metric?entity=vm-57&counter=cpu.usage.average&instance=&values=1234,-1
		q := r.URL.Query()
		id, ok := counterByName(q.Get("counter"))
		if !ok {
			http.Error(w, "no such counter", 400)
			return
		}
		var vs []int64
		if s := q.Get("values"); s != "" {
			for _, f := range strings.Split(s, ",") {
				v, err := strconv.ParseInt(f, 10, 64)
				if err != nil {
					http.Error(w, err.Error(), 400)
					return
				}
				vs = append(vs, v)
			}
		}
		lab.Lock()
		lab.fixed[metricKey{q.Get("entity"), id, q.Get("instance")}] = vs
		lab.Unlock()
		fmt.Fprintf(w, "%d\n", id)
	})
	mux.HandleFunc("/lab/fail", func(w http.ResponseWriter, r *http.Request) {
		// POST /lab/fail?status=503&count=2&method=QueryPerf   or ?fault=NotAuthenticated&match=vm-36   or ?delay=5000
		q := r.URL.Query()
		f := &fault{method: q.Get("method"), match: q.Get("match"), fault: q.Get("fault"), text: q.Get("text"), detail: q.Get("detail"),
			reset: q.Get("reset") != "", before: q.Get("before") != "", count: 1}
		f.status, _ = strconv.Atoi(q.Get("status"))
		if s := q.Get("count"); s != "" {
			f.count, _ = strconv.Atoi(s)
		}
		ms, _ := strconv.Atoi(q.Get("delay"))
		f.delay = time.Duration(ms) * time.Millisecond
		f.body, _ = io.ReadAll(r.Body)
		if n, _ := strconv.Atoi(q.Get("spaces")); n > 0 {
			f.body = bytes.Repeat([]byte(" "), n)
		}
		lab.Lock()
		lab.faults = append(lab.faults, f)
		lab.Unlock()
	})
	mux.HandleFunc("/lab/expire", func(w http.ResponseWriter, r *http.Request) {
		// POST /lab/expire: forget every session, as an idle time-out or a vpxd restart does.
		n := 0
		sm := simulator.Map.SessionManager()
		for _, s := range sessionKeys() {
			sm.TerminateSession(&simulator.Context{Context: context.Background(), Map: simulator.Map,
				Session: &simulator.Session{UserSession: types.UserSession{Key: "-"}, Registry: simulator.NewRegistry()}},
				&types.TerminateSession{SessionId: []string{s}})
			n++
		}
		fmt.Fprintf(w, "%d\n", n)
	})
	mux.HandleFunc("/lab/power", func(w http.ResponseWriter, r *http.Request) {
		// POST /lab/power?entity=vm-57&state=poweredOff|poweredOn|suspended&connection=disconnected|connected|...
		q := r.URL.Query()
		vm := vmOf(types.ManagedObjectReference{Type: "VirtualMachine", Value: q.Get("entity")})
		if vm == nil {
			http.Error(w, "no such vm", 404)
			return
		}
		if s := q.Get("state"); s != "" {
			vm.Runtime.PowerState = types.VirtualMachinePowerState(s)
			vm.Summary.Runtime.PowerState = vm.Runtime.PowerState
		}
		if s := q.Get("connection"); s != "" {
			vm.Runtime.ConnectionState = types.VirtualMachineConnectionState(s)
			vm.Summary.Runtime.ConnectionState = vm.Runtime.ConnectionState
		}
	})
	mux.HandleFunc("/lab/stats", func(w http.ResponseWriter, r *http.Request) {
		lab.Lock()
		defer lab.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]interface{}{"calls": lab.calls, "objects": lab.objects,
			"sessions": len(sessionKeys()), "soapaction": lab.reported})
	})
	mux.HandleFunc("/lab/vms", func(w http.ResponseWriter, r *http.Request) {
		var out []map[string]interface{}
		for _, e := range simulator.Map.All("VirtualMachine") {
			vm := e.(*simulator.VirtualMachine)
			m := map[string]interface{}{"moid": vm.Self.Value, "name": vm.Name, "instanceUuid": vm.Config.InstanceUuid,
				"powerState": vm.Runtime.PowerState, "numCPU": vm.Config.Hardware.NumCPU, "memoryMB": vm.Config.Hardware.MemoryMB}
			for _, ov := range vm.Config.ExtraConfig {
				if v := ov.GetOptionValue(); v.Key == "nvp.vm-uuid" {
					m["nvp.vm-uuid"] = v.Value
				}
			}
			out = append(out, m)
		}
		_ = json.NewEncoder(w).Encode(out)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/sdk" && r.URL.Path != "/sdk/vimService" || r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		var sb strings.Builder
		buf := make([]byte, 65536)
		for {
			n, err := r.Body.Read(buf)
			sb.Write(buf[:n])
			if err != nil {
				break
			}
		}
		r.Body = teeBody{strings.NewReader(sb.String())}
		name := ""
		if m := methodRE.FindStringSubmatch(sb.String()); m != nil {
			name = m[1]
		}
		lab.Lock()
		lab.calls[name]++
		lab.reported = append(lab.reported, name+" "+r.Header.Get("SOAPAction"))
		if len(lab.reported) > 20 {
			lab.reported = lab.reported[len(lab.reported)-20:]
		}
		if *record != "" {
			lab.recorded++
			_ = os.WriteFile(fmt.Sprintf("%s/%05d-%s.xml", *record, lab.recorded, name), []byte(sb.String()), 0o644)
		}
		var hit *fault
		for _, f := range lab.faults {
			if f.count > 0 && (f.method == "" || f.method == name) && strings.Contains(sb.String(), f.match) {
				f.count--
				hit = f
				break
			}
		}
		lab.Unlock()
		if hit != nil && answer(hit, w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
	return mux
}

// answer does what a fault says, and tells whether that was all.
func answer(f *fault, w http.ResponseWriter, r *http.Request) bool {
	if f.delay > 0 {
		select {
		case <-time.After(f.delay):
		case <-r.Context().Done():
			return true
		}
	}
	switch {
	case f.reset:
		if h, ok := w.(http.Hijacker); ok {
			if c, _, err := h.Hijack(); err == nil {
				c.Close()
			}
		}
	case f.fault != "":
		text := f.text
		if text == "" {
			text = "injected " + f.fault
		}
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		w.WriteHeader(500)
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%[2]s</faultstring><detail><%[1]sFault xmlns="urn:vim25" xsi:type="%[1]s">%[3]s</%[1]sFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>`, f.fault, text, f.detail)
	case f.status != 0:
		w.WriteHeader(f.status)
	case len(f.body) > 0:
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		_, _ = w.Write(f.body)
		return !f.before
	default:
		return false
	}
	return true
}

func sessionKeys() []string {
	var out []string
	sm := simulator.Map.SessionManager()
	ctx := &simulator.Context{Context: context.Background(), Map: simulator.Map, Session: &simulator.Session{Registry: simulator.NewRegistry()}}
	if m, ok := ctx.Session.Get(sm.Self).(*simulator.SessionManager); ok {
		for _, s := range m.SessionList {
			out = append(out, s.Key)
		}
	}
	return out
}

// ----------------------------------------------------------------------- main

func main() {
	model := simulator.VPX()
	flag.IntVar(&model.Datacenter, "dc", 1, "number of datacenters")
	flag.IntVar(&model.Cluster, "cluster", 1, "number of clusters")
	flag.IntVar(&model.ClusterHost, "host", 2, "hosts per cluster")
	flag.IntVar(&model.Host, "standalone-host", 0, "standalone hosts")
	flag.IntVar(&model.Machine, "vm", 4, "VMs per resource pool")
	flag.IntVar(&model.DelayConfig.Delay, "delay", 0, "delay of every method, ms")
	isESX := flag.Bool("esx", false, "simulate a standalone ESXi host")
	isTLS := flag.Bool("tls", true, "serve TLS")
	labOn := flag.Bool("lab", true, "add the lab extensions")
	cert := flag.String("tlscert", "", "certificate file")
	key := flag.String("tlskey", "", "key file")
	listen := flag.String("l", "127.0.0.1:8989", "listen address (loopback)")
	user := flag.String("username", "", "required user (default: any)")
	pass := flag.String("password", "", "required password (default: any)")
	idle := flag.Duration("idle", 0, "session idle time-out (0: none)")
	flag.BoolVar(&simulator.Trace, "trace", false, "trace SOAP to stderr")
	flag.Parse()

	if !strings.HasPrefix(*listen, "127.") && !strings.HasPrefix(*listen, "[::1]") {
		log.Fatal("loopback addresses only")
	}
	if *isESX {
		m := simulator.ESX()
		m.Machine = model.Machine
		m.DelayConfig = model.DelayConfig
		model = m
		perfCounter, metricData = esx.PerfCounter, esx.MetricData
	}
	simulator.SessionIdleTimeout = *idle
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	defer model.Remove()
	lab.fixed = map[metricKey][]int64{}
	lab.calls = map[string]int{}
	if *labOn {
		c := simulator.Map.Get(types.ManagedObjectReference{Type: "ServiceInstance", Value: "ServiceInstance"}).(*simulator.ServiceInstance).Content
		if pm, ok := simulator.Map.Get(*c.PerfManager).(*simulator.PerformanceManager); ok {
			simulator.Map.Put(&labPerf{*pm})
		}
		pc := &labPC{}
		pc.Self = c.PropertyCollector
		simulator.Map.Put(pc)
		provision()
		if c.CustomFieldsManager != nil {
			if m, ok := simulator.Map.Get(*c.CustomFieldsManager).(*simulator.CustomFieldsManager); ok {
				m.Field = append(m.Field, types.CustomFieldDef{Key: 101, Name: "owner", Type: "string",
					ManagedObjectType: "VirtualMachine"})
			}
		}
		if *maxQueryMetrics != 0 {
			om := simulator.Map.OptionManager()
			om.Setting = append(om.Setting, &types.OptionValue{Key: "config.vpxd.stats.maxQueryMetrics", Value: int32(*maxQueryMetrics)})
		}
	}
	u := &url.URL{Host: *listen}
	if *user != "" {
		u.User = url.UserPassword(*user, *pass)
	}
	model.Service.Listen = u
	if *isTLS {
		model.Service.TLS = new(tls.Config)
		if *cert != "" {
			c, err := tls.LoadX509KeyPair(*cert, *key)
			if err != nil {
				log.Fatal(err)
			}
			model.Service.TLS.Certificates = []tls.Certificate{c}
		}
	}
	model.Service.ServeMux = http.NewServeMux()
	s := model.Service.NewServer()
	if *labOn {
		s.Config.Handler = control(s.Config.Handler)
	}
	fmt.Printf("VCSIM_URL=%s VCSIM_PID=%d\n", s.URL, os.Getpid())
	sig := make(chan os.Signal, 1)
	signal.Notify(sig, syscall.SIGINT, syscall.SIGTERM)
	<-sig
}
