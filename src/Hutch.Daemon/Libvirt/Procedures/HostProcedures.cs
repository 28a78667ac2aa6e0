using System.Text;
using Hutch.Daemon.Libvirt.Protocol;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Management.Hosts;

namespace Hutch.Daemon.Libvirt.Procedures;

/// <summary>What the host has.</summary>
internal static class HostProcedures
{
    private const int BytesOfKibibyte = 1024;

    internal static void AddTo(ProcedureTable table)
    {
        table.On(Protocol.Procedures.NodeGetInfo, (_, _) => Describe(HostNode.Read()));
        table.On(Protocol.Procedures.NodeGetFreeMemory, (_, _) => new NodeGetFreeMemoryReply(HostNode.ReadFreeMemoryBytes()));
        table.On(Protocol.Procedures.NodeGetCpuMap, (_, arguments) => Map(HostNode.Read(), arguments));
    }

    private static NodeGetInfoReply Describe(HostNode host) => new(
        Encoding.ASCII.GetBytes(host.Model), host.MemoryBytes / BytesOfKibibyte, host.OnlineCpus.Count, host.Megahertz, host.Nodes, host.Sockets, host.Cores, host.Threads);

    private static NodeGetCpuMapReply Map(HostNode host, NodeGetCpuMapArgs arguments)
    {
        int count = CpuMap.Length(host.PresentCpus);
        return new NodeGetCpuMapReply(arguments.NeedMap != 0 ? CpuMap.Of(host.OnlineCpus, CpuMap.Bytes(count)) : [], (uint)host.OnlineCpus.Count, count);
    }
}
