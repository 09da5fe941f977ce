#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes src/model/meter_golden.h from recordings of ceilometer-polling 19.0.0 (Debian 12).

    meter_fixture.py RECORDINGS >src/model/meter_golden.h

RECORDINGS has, for each run (`default`: instances from libvirt metadata; `nova-discovery`: from the Nova API), what
libvirt said just before and just after the polling cycle (libvirt-before.json, libvirt-after.json), the domains'
XML (domains/), the Nova stub's replies (openstack-requests.jsonl), and the messages that were sent (cycle-1/*.json).
The facts of libvirt and Nova become values of struct vmt_instance and readings, the messages become what is expected.
"""
import json
import pathlib
import sys
import xml.etree.ElementTree as ET

NOVA = '{http://openstack.org/xmlns/libvirt/nova/1.1}'
# status and vm_state by virDomainState, as libvirt metadata discovery has them
STATES = {1: ('active', 'running'), 3: ('paused', 'paused'), 5: ('stopped', 'shutdown')}
FIELDS = {  # of the bulk statistics
    'VMT_F_STATE': 'state.state', 'VMT_F_VCPUS': 'vcpu.current', 'VMT_F_CPU_TIME': 'cpu.time',
    'VMT_F_CPU_USER': 'cpu.user', 'VMT_F_CPU_SYSTEM': 'cpu.system'}
MEMORY = {
    'VMT_F_MEM_ACTUAL': 'actual', 'VMT_F_MEM_AVAILABLE': 'available', 'VMT_F_MEM_UNUSED': 'unused',
    'VMT_F_MEM_USABLE': 'usable', 'VMT_F_MEM_RSS': 'rss', 'VMT_F_SWAP_IN': 'swap_in',
    'VMT_F_SWAP_OUT': 'swap_out', 'VMT_F_MAJOR_FAULTS': 'major_fault', 'VMT_F_MINOR_FAULTS': 'minor_fault',
    'VMT_F_DISK_CACHES': 'disk_caches'}
DISK = {
    'VMT_D_READ_REQUESTS': 'rd_operations', 'VMT_D_READ_BYTES': 'rd_bytes', 'VMT_D_READ_TIME': 'rd_total_times',
    'VMT_D_WRITE_REQUESTS': 'wr_operations', 'VMT_D_WRITE_BYTES': 'wr_bytes', 'VMT_D_WRITE_TIME': 'wr_total_times',
    'VMT_D_FLUSH_REQUESTS': 'flush_operations', 'VMT_D_FLUSH_TIME': 'flush_total_times'}
NIC = ['VMT_N_RX_BYTES', 'VMT_N_RX_PACKETS', 'VMT_N_RX_ERRORS', 'VMT_N_RX_DROPS',
       'VMT_N_TX_BYTES', 'VMT_N_TX_PACKETS', 'VMT_N_TX_ERRORS', 'VMT_N_TX_DROPS']


def quote(text):
    return 'NULL' if text is None else json.dumps(text)


def pairs(mapping):
    rows = ['{ %s, %s, false }' % (quote(k), quote(v)) for k, v in mapping.items()]
    return '(const struct vmt_pair[]){ %s, { NULL, NULL, false } }' % ', '.join(rows)


def write(out, name, mapping):
    for key, value in mapping.items():
        if isinstance(value, dict):
            write(out, name + '.' + key, value)
        else:
            out.append('%s.%s = %s,' % (name, key, value))


def from_libvirt(root, domain, host_ids):
    """struct vmt_instance as libvirt metadata discovery fills it; the flavor's id was looked up in Nova."""
    nova = root.find('metadata/' + NOVA + 'instance')
    if nova is None:
        return None
    flavor = nova.find(NOVA + 'flavor')
    number = lambda name: flavor.findtext(NOVA + name)
    status, state = STATES[domain['state'][0]]
    specs = flavor.find(NOVA + 'extraSpecs')
    image = nova.find(NOVA + 'image')
    owner = nova.find(NOVA + 'owner')
    kind = root.find('os/type')
    return {
        'id': quote(root.findtext('uuid')), 'name': quote(root.findtext('name')),
        'display_name': quote(nova.findtext(NOVA + 'name')),
        'user_id': quote(owner.find(NOVA + 'user').get('uuid')),
        'project_id': quote(owner.find(NOVA + 'project').get('uuid')),
        'host_id': quote(host_ids), 'host': '"compute-0"', 'status': quote(status), 'state': quote(state),
        'task_state': '""', 'has_flavor': 'true', 'has_image': 'true',
        'flavor': {
            'id': '"42"', 'name': quote(flavor.get('name')), 'vcpus': number('vcpus'),
            'ram_mib': number('memory'), 'disk_gib': number('disk'), 'ephemeral_gib': number('ephemeral'),
            'swap_mib': number('swap'), 'has_swap': 'true', 'has_extra_specs': str(specs is not None).lower(),
            'extra_specs': 'NULL' if specs is None else pairs({e.get('name'): e.text for e in specs})},
        'image': {'id': quote(nova.find(NOVA + 'root').get('uuid'))},
        'image_meta': 'NULL' if image is None else pairs({'base_image_ref': image.get('uuid')}),
        'attributes': pairs({'architecture': kind.get('arch'), 'os_type': kind.text}),
        'stopped': str(domain['state'][0] == 5).lower()}


def from_nova(server, flavor, image, base):
    return {
        'id': quote(server['id']), 'name': quote(server['OS-EXT-SRV-ATTR:instance_name']),
        'display_name': quote(server['name']), 'user_id': quote(server['user_id']),
        'project_id': quote(server['tenant_id']), 'host_id': quote(server['hostId']),
        'host': quote(server['OS-EXT-SRV-ATTR:host']), 'status': quote(server['status'].lower()),
        'state': quote(server['OS-EXT-STS:vm_state']), 'task_state': quote(server['OS-EXT-STS:task_state']),
        'has_flavor': 'true', 'has_image': 'true',
        'flavor': {
            'id': quote(flavor['id']), 'name': quote(flavor['name']), 'vcpus': flavor['vcpus'],
            'ram_mib': flavor['ram'], 'disk_gib': flavor['disk'],
            'ephemeral_gib': flavor['OS-FLV-EXT-DATA:ephemeral'],
            'href': quote(server['flavor']['links'][0]['href'])},
        'image': {'id': quote(image['id']), 'name': quote(image['name']),
                  'href': quote(server['image']['links'][0]['href'])},
        'attributes': pairs({'OS-EXT-AZ:availability_zone': server['OS-EXT-AZ:availability_zone'],
                             'kernel_id': None, 'ramdisk_id': None}),
        'metadata': pairs(server['metadata'])}


def instance_values(domain):
    values = {f: domain['stats'][k] for f, k in FIELDS.items() if k in domain['stats']}
    values.update({f: domain['memoryStats'][k] for f, k in MEMORY.items() if k in domain.get('memoryStats', {})})
    for field, key in (('VMT_F_VCPU_TIME', 'time'), ('VMT_F_VCPU_WAIT', 'wait'), ('VMT_F_VCPU_DELAY', 'delay')):
        each = [domain['stats'].get('vcpu.%d.%s' % (n, key)) for n in range(domain['stats']['vcpu.current'])]
        if None not in each:
            values[field] = sum(each)
    return values


def devices(root, domain):
    """(is NIC, name, mac, values) of each disk with a source and each NIC with a target."""
    for disk in root.findall('devices/disk'):
        name = disk.find('target').get('dev')
        if disk.find('source') is None:
            continue
        facts = domain['disks'][name]
        values = {}
        if isinstance(facts['blockStatsFlags'], dict):
            values = {f: facts['blockStatsFlags'][k] for f, k in DISK.items()}
        for field, value in zip(('CAPACITY', 'ALLOCATION', 'PHYSICAL'), facts['blockInfo']):
            values['VMT_D_' + field] = value
        yield False, name, None, values
    for nic in root.findall('devices/interface'):
        name = nic.find('target').get('dev')
        if name in domain.get('interfaces', {}):
            yield True, name, nic.find('mac').get('address'), dict(zip(NIC, domain['interfaces'][name]))


def value_list(values):
    return '{ %s }' % ', '.join('{ %s, UINT64_C(%d) }' % v for v in values.items())


def run(name, folder, roots, nova):
    before, after = (json.load(open(folder / f))['domains'] for f in ('libvirt-before.json', 'libvirt-after.json'))
    replies = [json.loads(line) for line in open(folder / 'openstack-requests.jsonl')]
    samples = []
    for path in sorted((folder / 'cycle-1').glob('*.json')):
        message = json.load(open(path))['message']
        samples.append(message['payload']['samples'])
    host_id = samples[0][0]['resource_metadata']['host']
    if nova:
        reply = lambda part: next(r['reply'] for r in replies if part in r['path'])
        servers = {s['OS-EXT-SRV-ATTR:instance_name']: s for s in reply('/servers/detail')['servers']}
        instances = {n: from_nova(s, reply('/flavors/42')['flavor'], reply('/images/'), None)
                     for n, s in servers.items()}
    else:
        instances = {n: from_libvirt(roots[n], before[n], host_id) for n in roots}
        instances = {n: i for n, i in instances.items() if i}
    print('static const struct golden_instance %s_instances[] = {' % name)
    for domain, instance in instances.items():
        lines = []
        write(lines, '.in', instance)
        print('\t{ ' + '\n\t  '.join(lines))
        for when, facts in (('before', before), ('after', after)):
            values = instance_values(facts[domain])
            print('\t  .%s = { .count = %d, .value = %s,' % (when, len(values), value_list(values)))
            rows = ['{ .nic = %s, .name = %s, .mac = %s, .count = %d, .value = %s }' %
                    (str(d[0]).lower(), quote(d[1]), quote(d[2]), len(d[3]), value_list(d[3]))
                    for d in devices(roots[domain], facts[domain])]
            print('\t\t.devices = %d, .device = { %s } },' % (len(rows), ',\n\t\t\t'.join(rows)))
        print('\t},')
    print('};\n')
    texts = []
    rows = []
    for number, message in enumerate(samples):
        for s in message:
            text = json.dumps(s['resource_metadata'], sort_keys=True, separators=(',', ':'), ensure_ascii=False)
            if text not in texts:
                texts.append(text)
            real = isinstance(s['counter_volume'], float)
            rows.append('{ %d, %s, "%s", %s, %s, %s, %s, %s, %s, %d }' % (
                number, quote(s['counter_name']), s['counter_type'], quote(s['counter_unit']),
                str(real).lower(), repr(float(s['counter_volume'])), quote(s['resource_id']),
                quote(s['project_id']), quote(s['user_id']), texts.index(text)))
    print('static const char *const %s_metadata[] = {' % name)
    for text in texts:
        print('\t%s,' % json.dumps(text))
    print('};\n\nstatic const struct golden_sample %s_samples[] = {' % name)
    for row in rows:
        print('\t' + row + ',')
    print('};\n')


def main():
    folder = pathlib.Path(sys.argv[1])
    roots = {p.stem: ET.parse(p).getroot() for p in sorted((folder / 'domains').glob('*.xml'))}
    print('/* SPDX-License-Identifier: Apache-2.0 */')
    print('/* Made by tests/golden/meter_fixture.py from recordings of ceilometer-polling 19.0.0: do not edit.')
    print(' * Values before and after the cycle whose messages are expected. */')
    print('/* clang-format off */')
    run('libvirt', folder / 'default', roots, False)
    run('nova', folder / 'nova-discovery', roots, True)


main()
