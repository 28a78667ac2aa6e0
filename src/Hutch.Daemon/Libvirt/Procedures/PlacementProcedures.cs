using System;
using System.Globalization;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Daemon.Libvirt.Protocol;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Daemon.Libvirt.Xdr;
using Hutch.Host.Scheduling;
using Hutch.Management;
using Hutch.Management.Domains;
using Hutch.Management.Hosts;
using Hutch.Model.Control;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Procedures;

/// <summary>On which CPUs of the host a domain runs: vcpuinfo, vcpupin, emulatorpin.</summary>
internal static class PlacementProcedures
{
    // virDomainModificationImpact and virDomainVcpuFlags.
    private const uint Live = 1, Maximum = 4;
    private const int VcpuRunning = 1;

    // A bound for what a client may have us allocate, far above any host's number of CPUs.
    private const int LongestMap = CpuSet.Limit / 8;

    internal static void AddTo(ProcedureTable table, IDomainDriver domains)
    {
        AddQuestions(table, domains);
        table.OnAsync(Protocol.Procedures.DomainPinVcpu, (call, arguments) => PinVcpuAsync(domains, call, arguments.Dom, arguments.Vcpu, arguments.Cpumap, Live));
        table.OnAsync(Protocol.Procedures.DomainPinVcpuFlags, (call, arguments) => PinVcpuAsync(domains, call, arguments.Dom, arguments.Vcpu, arguments.Cpumap, arguments.Flags));
        table.OnAsync(Protocol.Procedures.DomainPinEmulator, async (call, arguments) =>
        {
            CpuSet cpus = CpuMap.Read(arguments.Cpumap);
            bool isKept = await KeptPlacement.IsKeptAsync(domains, call, arguments.Dom, arguments.Flags).ConfigureAwait(false);
            if (!isKept || (arguments.Flags & Live) != 0) await domains.SetAsync(DomainProcedures.ContextOf(call), arguments.Dom.Uuid, "emulator-pin", cpus.ToString()!).ConfigureAwait(false);
            if (isKept) await KeptPlacement.ChangeAsync(domains, call, arguments.Dom, definition => KeptPlacement.WithEmulatorPin(definition, cpus)).ConfigureAwait(false);
            return default;
        });
    }

    private static void AddQuestions(ProcedureTable table, IDomainDriver domains)
    {
        table.OnAsync(Protocol.Procedures.DomainGetVcpusFlags, async (call, arguments) => new DomainGetVcpusFlagsReply(await CountAsync(domains, call, arguments.Dom, arguments.Flags).ConfigureAwait(false)));
        table.OnAsync(Protocol.Procedures.DomainGetMaxVcpus, async (call, arguments) => new DomainGetMaxVcpusReply(await CountAsync(domains, call, arguments.Dom, Maximum).ConfigureAwait(false)));
        table.OnAsync(Protocol.Procedures.DomainGetVcpus, async (call, arguments) =>
            Describe(await domains.InspectAsync(DomainProcedures.ContextOf(call), arguments.Dom.Uuid).ConfigureAwait(false), arguments.Maxinfo, Checked(arguments.Maplen)));
        table.OnAsync(Protocol.Procedures.DomainGetVcpuPinInfo, async (call, arguments) =>
        {
            int length = Checked(arguments.Maplen);
            string[] pins = await PinsAsync(domains, call, arguments.Dom, arguments.Flags).ConfigureAwait(false);
            int count = Math.Clamp(arguments.Ncpumaps, 0, pins.Length);
            return new DomainGetVcpuPinInfoReply(Maps(pins.AsSpan(0, count), length), count);
        });
        table.OnAsync(Protocol.Procedures.DomainGetEmulatorPinInfo, async (call, arguments) =>
        {
            int length = Checked(arguments.Maplen);
            bool isLive = await KeptPlacement.IsLiveAsync(domains, call, arguments.Dom, arguments.Flags).ConfigureAwait(false);
            string cpus = isLive ? (await domains.InspectAsync(DomainProcedures.ContextOf(call), arguments.Dom.Uuid).ConfigureAwait(false)).EmulatorCpus
                : (await KeptPlacement.DescribeAsync(domains, call, arguments.Dom).ConfigureAwait(false)).CpuTune?.EmulatorPin ?? AllCpus();
            return new DomainGetEmulatorPinInfoReply(CpuMap.Of(Parse(cpus), length), 1);
        });
    }

    private static async ValueTask<int> CountAsync(IDomainDriver domains, Call call, Protocol.Domain domain, uint flags)
    {
        bool isMost = (flags & Maximum) != 0;
        if (await KeptPlacement.IsLiveAsync(domains, call, domain, flags).ConfigureAwait(false))
        {
            VmDetails details = await domains.InspectAsync(DomainProcedures.ContextOf(call), domain.Uuid).ConfigureAwait(false);
            return isMost ? details.MostVcpus : details.Vcpus.Length;
        }
        DomainVcpus vcpus = (await KeptPlacement.DescribeAsync(domains, call, domain).ConfigureAwait(false)).Vcpus;
        return isMost ? vcpus.Maximum : vcpus.Current ?? vcpus.Maximum;
    }

    private static async ValueTask<string[]> PinsAsync(IDomainDriver domains, Call call, Protocol.Domain domain, uint flags)
    {
        if (await KeptPlacement.IsLiveAsync(domains, call, domain, flags).ConfigureAwait(false))
            return [.. (await domains.InspectAsync(DomainProcedures.ContextOf(call), domain.Uuid).ConfigureAwait(false)).Vcpus.Select(static vcpu => vcpu.Cpus)];
        DomainDefinition definition = await KeptPlacement.DescribeAsync(domains, call, domain).ConfigureAwait(false);
        string all = AllCpus();
        return [.. Enumerable.Range(0, definition.Vcpus.Maximum).Select(index => KeptPlacement.PinOf(definition, index) ?? all)];
    }

    private static async ValueTask<Nothing> PinVcpuAsync(IDomainDriver domains, Call call, Protocol.Domain domain, uint vcpu, byte[] map, uint flags)
    {
        CpuSet cpus = CpuMap.Read(map);
        bool isKept = await KeptPlacement.IsKeptAsync(domains, call, domain, flags).ConfigureAwait(false);
        if (!isKept || (flags & Live) != 0)
            await domains.SetAsync(DomainProcedures.ContextOf(call), domain.Uuid, "vcpu-pin", string.Create(CultureInfo.InvariantCulture, $"{vcpu}={cpus}")).ConfigureAwait(false);
        if (isKept) await KeptPlacement.ChangeAsync(domains, call, domain, definition => KeptPlacement.WithPin(definition, (int)Math.Min(vcpu, int.MaxValue), cpus)).ConfigureAwait(false);
        return default;
    }

    private static DomainGetVcpusReply Describe(VmDetails details, int most, int mapBytes)
    {
        int count = Math.Clamp(most, 0, details.Vcpus.Length);
        Protocol.VcpuInfo[] information = [.. details.Vcpus.Take(count).Select(vcpu => new Protocol.VcpuInfo((uint)vcpu.Index, VcpuRunning, (ulong)(vcpu.CpuSeconds * 1e9), CpuOf(vcpu)))];
        return new DomainGetVcpusReply(information, Maps([.. details.Vcpus.Take(count).Select(static vcpu => vcpu.Cpus)], mapBytes));
    }

    // Where the thread was last is not known here; where it may be is.
    private static int CpuOf(Hutch.Model.Control.VcpuInfo vcpu) => Parse(vcpu.Cpus).Numbers.DefaultIfEmpty(0).First();

    private static byte[] Maps(ReadOnlySpan<string> pins, int mapBytes)
    {
        byte[] maps = new byte[pins.Length * mapBytes];
        for (int index = 0; index < pins.Length; index++) CpuMap.Fill(maps.AsSpan(index * mapBytes, mapBytes), Parse(pins[index]));
        return maps;
    }

    private static string AllCpus() => HostNode.Read().OnlineCpus.ToString()!;

    private static CpuSet Parse(string cpus) => CpuSet.Parse(cpus) ?? new CpuSet();

    private static int Checked(int mapBytes) => mapBytes is >= 0 and <= LongestMap ? mapBytes
        : throw new ManagementException(FailureKind.BadArgument, $"a map of {mapBytes} bytes; it may have {LongestMap}");
}
