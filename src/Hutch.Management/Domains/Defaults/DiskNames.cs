namespace Hutch.Management.Domains.Defaults;

/// <summary>Names of disks as Linux has them.</summary>
internal static class DiskNames
{
    /// <summary>0 of <c>vda</c>, 26 of <c>vdaa</c>; -1 where it is no such name.</summary>
    internal static int IndexOf(string target)
    {
        int start = target.StartsWith("xvd", System.StringComparison.Ordinal) ? 3 : 2, index = 0, letters = 0;
        for (int i = start; i < target.Length && target[i] is >= 'a' and <= 'z'; i++, letters++)
        {
            if (letters == 4) return -1;
            index = (index + (letters == 0 ? 0 : 1)) * 26 + (target[i] - 'a');
        }
        return letters == 0 ? -1 : index;
    }
}
