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
using Hutch.Model.Control;

namespace Hutch.Daemon.Libvirt.Procedures;

/// <summary>On which CPUs of the host a domain runs: vcpuinfo, vcpupin, emulatorpin.</summary>
internal static class PlacementProcedures
{
    // virDomainModificationImpact: what is asked of a running domain's definition cannot be, for it has none.
    private const uint Config = 2, Maximum = 4;
    private const int VcpuRunning = 1;

    // A bound for what a client may have us allocate, far above any host's number of CPUs.
    private const int LongestMap = CpuSet.Limit / 8;

    internal static void AddTo(ProcedureTable table, IDomainDriver domains)
    {
        table.OnAsync(Protocol.Procedures.DomainGetVcpusFlags, async (call, arguments) =>
        {
            VmDetails details = await InspectAsync(domains, call, arguments.Dom, arguments.Flags).ConfigureAwait(false);
            return new DomainGetVcpusFlagsReply((arguments.Flags & Maximum) != 0 ? details.MostVcpus : details.Vcpus.Length);
        });
        table.OnAsync(Protocol.Procedures.DomainGetMaxVcpus, async (call, arguments) => new DomainGetMaxVcpusReply((await InspectAsync(domains, call, arguments.Dom, 0).ConfigureAwait(false)).MostVcpus));
        table.OnAsync(Protocol.Procedures.DomainGetVcpus, async (call, arguments) =>
            Describe(await InspectAsync(domains, call, arguments.Dom, 0).ConfigureAwait(false), arguments.Maxinfo, Checked(arguments.Maplen)));
        table.OnAsync(Protocol.Procedures.DomainGetVcpuPinInfo, async (call, arguments) =>
        {
            VmDetails details = await InspectAsync(domains, call, arguments.Dom, arguments.Flags).ConfigureAwait(false);
            int count = Math.Clamp(arguments.Ncpumaps, 0, details.Vcpus.Length);
            return new DomainGetVcpuPinInfoReply(Maps(details, count, Checked(arguments.Maplen)), count);
        });
        table.OnAsync(Protocol.Procedures.DomainGetEmulatorPinInfo, async (call, arguments) =>
        {
            VmDetails details = await InspectAsync(domains, call, arguments.Dom, arguments.Flags).ConfigureAwait(false);
            return new DomainGetEmulatorPinInfoReply(CpuMap.Of(Parse(details.EmulatorCpus), Checked(arguments.Maplen)), 1);
        });
        table.OnAsync(Protocol.Procedures.DomainPinVcpu, (call, arguments) => PinVcpuAsync(domains, call, arguments.Dom, arguments.Vcpu, arguments.Cpumap, 0));
        table.OnAsync(Protocol.Procedures.DomainPinVcpuFlags, (call, arguments) => PinVcpuAsync(domains, call, arguments.Dom, arguments.Vcpu, arguments.Cpumap, arguments.Flags));
        table.OnAsync(Protocol.Procedures.DomainPinEmulator, async (call, arguments) =>
        {
            Refuse(arguments.Flags);
            await domains.SetAsync(DomainProcedures.ContextOf(call), arguments.Dom.Uuid, "emulator-pin", CpuMap.Read(arguments.Cpumap).ToString()).ConfigureAwait(false);
            return default;
        });
    }

    private static ValueTask<VmDetails> InspectAsync(IDomainDriver domains, Call call, Protocol.Domain domain, uint flags)
    {
        Refuse(flags);
        return domains.InspectAsync(DomainProcedures.ContextOf(call), domain.Uuid);
    }

    private static async ValueTask<Nothing> PinVcpuAsync(IDomainDriver domains, Call call, Protocol.Domain domain, uint vcpu, byte[] map, uint flags)
    {
        Refuse(flags);
        string pin = string.Create(CultureInfo.InvariantCulture, $"{vcpu}={CpuMap.Read(map)}");
        await domains.SetAsync(DomainProcedures.ContextOf(call), domain.Uuid, "vcpu-pin", pin).ConfigureAwait(false);
        return default;
    }

    private static DomainGetVcpusReply Describe(VmDetails details, int most, int mapBytes)
    {
        int count = Math.Clamp(most, 0, details.Vcpus.Length);
        Protocol.VcpuInfo[] information = [.. details.Vcpus.Take(count).Select(vcpu => new Protocol.VcpuInfo((uint)vcpu.Index, VcpuRunning, (ulong)(vcpu.CpuSeconds * 1e9), CpuOf(vcpu)))];
        return new DomainGetVcpusReply(information, Maps(details, count, mapBytes));
    }

    // Where the thread was last is not known here; where it may be is.
    private static int CpuOf(Hutch.Model.Control.VcpuInfo vcpu) => Parse(vcpu.Cpus).Numbers.DefaultIfEmpty(0).First();

    private static byte[] Maps(VmDetails details, int count, int mapBytes)
    {
        byte[] maps = new byte[count * mapBytes];
        for (int index = 0; index < count; index++) CpuMap.Fill(maps.AsSpan(index * mapBytes, mapBytes), Parse(details.Vcpus[index].Cpus));
        return maps;
    }

    private static CpuSet Parse(string cpus) => CpuSet.Parse(cpus) ?? new CpuSet();

    private static int Checked(int mapBytes) => mapBytes is >= 0 and <= LongestMap ? mapBytes
        : throw new ManagementException(FailureKind.BadArgument, $"a map of {mapBytes} bytes; it may have {LongestMap}");

    private static void Refuse(uint flags)
    {
        if ((flags & Config) != 0)
            throw new LibvirtException(ErrorCode.OperationInvalid, ErrorDomain.Qemu, "Requested operation is not valid: the domain is transient and has no definition to change; leave out --config");
    }
}
