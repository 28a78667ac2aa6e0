using System;
using System.Collections.Generic;
using Hutch.Host.Scheduling;

namespace Hutch.Management.Domains.Plan;

/// <summary>Sets of CPUs and nodes as libvirt writes them: <c>0-3,^2,8</c>, where what follows a <c>^</c> is taken out of what stands before.</summary>
internal static class HostSet
{
    /// <summary>The same set as the kernel writes it. Throws <see cref="ManagementException"/>.</summary>
    internal static string Kernel(string text)
    {
        CpuSet set = new(Array.Empty<int>());
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            bool isOut = part.StartsWith('^');
            CpuSet named = CpuSet.Parse(isOut ? part[1..] : part) ?? throw new ManagementException(FailureKind.BadArgument, $"'{text}' is no set of CPUs or nodes; write it as 0-3,^2,8");
            set = isOut ? set.Except(named) : new CpuSet((IEnumerable<int>)[.. set.Numbers, .. named.Numbers]);
        }
        return set.Count != 0 ? set.ToString()! : throw new ManagementException(FailureKind.BadArgument, $"'{text}' is a set without anything in it");
    }
}
