using System;
using System.Collections.Frozen;
using System.Collections.Generic;
using System.Linq;
using System.Xml.Linq;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary>
/// The children of an element in the order in which libvirt prints them. This is the rule for what is not modelled: a name with an asterisk is kept as it was written and printed at its place; a name without one is
/// modelled; every other element, and every attribute that is not modelled, is refused. Kept is what describes the host's part (labels, resources, tuning) or what a guest does without.
/// </summary>
internal sealed class ElementTable
{
    private readonly FrozenDictionary<string, int> _places;
    private readonly FrozenSet<string> _kept;

    private ElementTable(string names)
    {
        string[] all = names.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        _places = all.Select(static (name, place) => KeyValuePair.Create(name.TrimEnd('*'), place)).ToFrozenDictionary();
        _kept = all.Where(static name => name.EndsWith('*')).Select(static name => name.TrimEnd('*')).ToFrozenSet();
    }

    internal static ElementTable None { get; } = new("");

    internal static ElementTable Domain { get; } = new(
        "name uuid genid title description metadata maxMemory memory currentMemory blkiotune* memtune* memoryBacking vcpu vcpus iothreads iothreadids* defaultiothread* cputune numatune resource* sysinfo os features cpu clock "
        + "on_poweroff on_reboot on_crash on_lockfailure* pm* perf* devices seclabel* keywrap*");

    internal static ElementTable MemoryBacking { get; } = new("hugepages nosharepages locked source access allocation discard");

    internal static ElementTable CpuTune { get; } = new(
        "shares period quota global_period global_quota emulator_period emulator_quota iothread_period iothread_quota vcpupin emulatorpin iothreadpin vcpusched iothreadsched emulatorsched cachetune* memorytune*");

    internal static ElementTable NumaTune { get; } = new("memory memnode");

    internal static ElementTable Os { get; } = new("type firmware loader nvram kernel initrd cmdline dtb acpi* boot bootmenu bios smbios");

    internal static ElementTable Features { get; } = new("acpi apic pae hap* hyperv* kvm pvspinlock* pmu vmport smm ioapic vmcoreinfo tcg* async-teardown*");

    internal static ElementTable Cpu { get; } = new("model vendor topology cache* maxphysaddr* feature numa");

    internal static ElementTable Timer { get; } = new("catchup*");

    internal static ElementTable Devices { get; } = new(
        "emulator disk controller lease filesystem interface smartcard serial parallel console channel input tpm graphics audio sound video hostdev redirdev redirfilter hub watchdog memballoon rng nvram panic shmem memory "
        + "iommu vsock");

    internal static ElementTable Disk { get; } = new(
        "driver auth* source backingStore backenddomain geometry blockio mirror* target iotune readonly shareable transient serial wwn vendor product encryption* boot alias rom* acpi* address");

    internal static ElementTable DiskDriver { get; } = new("metadata_cache*");

    internal static ElementTable DiskSource { get; } = new("slices* encryption* reservations* seclabel* privateData*");

    internal static ElementTable Controller { get; } = new("model target driver boot alias master rom* acpi* address pcihole64");

    internal static ElementTable Filesystem { get; } = new("driver binary* source target readonly space_hard_limit* space_soft_limit* boot alias acpi* address");

    internal static ElementTable Interface { get; } = new(
        "mac source vlan* virtualport* bandwidth ip* route* script* downscript* target guest* model driver backend filterref tune* link mtu port coalesce* teaming* boot alias rom* acpi* address");

    internal static ElementTable InterfaceDriver { get; } = new("host* guest*");

    internal static ElementTable Character { get; } = new("source protocol log target boot alias acpi* address");

    internal static ElementTable Input { get; } = new("driver source* boot alias acpi* address");

    internal static ElementTable Tpm { get; } = new("backend boot alias address");

    internal static ElementTable TpmBackend { get; } = new("encryption* device* source* active_pcr_banks*");

    internal static ElementTable Graphics { get; } = new("listen channel* image* jpeg* zlib* playback* streaming* clipboard* mouse* filetransfer* gl* audio* boot alias address");

    internal static ElementTable Audio { get; } = new("input* output*");

    internal static ElementTable Sound { get; } = new("codec* audio* boot alias acpi* address");

    internal static ElementTable Video { get; } = new("driver model boot alias acpi* address");

    internal static ElementTable HostDevice { get; } = new("driver* source boot alias rom* teaming* acpi* address");

    internal static ElementTable Redirected { get; } = new("source protocol log boot alias address");

    /// <summary>Devices that have nothing of their own below them but a driver.</summary>
    internal static ElementTable Plain { get; } = new("stats rate backend cid driver model boot alias rom* acpi* address");

    internal static ElementTable Memory { get; } = new("uuid source target boot alias acpi* address");

    internal static ElementTable MemoryTarget { get; } = new("size node block requested current label* readonly*");

    internal int PlaceOf(string name) => _places.GetValueOrDefault(name, int.MaxValue);

    internal bool Keeps(string name) => _kept.Contains(name);

    /// <summary>Adds what was kept, and puts all children into their order; those of a name stay in the order in which they are.</summary>
    internal XElement Arrange(XElement element, IEnumerable<string> kept)
    {
        foreach (string text in kept) element.Add(XmlText.Parse(text, "kept"));
        XElement[] children = [.. element.Elements().OrderBy(child => PlaceOf(child.Name.LocalName))];
        element.Elements().Remove();
        element.Add(children);
        return element;
    }
}
