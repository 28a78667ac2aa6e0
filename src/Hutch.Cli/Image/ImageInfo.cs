using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Hutch.Block;
using Hutch.Block.Formats;

namespace Hutch.Cli.Image;

/// <summary>What 'info' shows of an image.</summary>
internal sealed class ImageInfo
{
    private readonly string _name, _format;
    private readonly long _lengthBytes;
    private readonly long? _allocatedBytes;
    private readonly int _clusterBytes;
    private readonly bool _isEncrypted, _isDirty;
    private readonly IReadOnlyList<ImageSnapshot> _snapshots;
    private readonly IReadOnlyList<KeyValuePair<string, object>>? _specifics;

    private ImageInfo(ImageNode image)
    {
        (_name, _format, _lengthBytes, _allocatedBytes) = (image.Filename, image.Format.Name, image.LengthBytes, image.AllocatedBytes);
        (_clusterBytes, _isEncrypted, _isDirty) = (image.ClusterBytes, image.IsEncrypted, image.IsDirty);
        Backing = image.BackingReference;
        FullBackingName = Backing is null ? null : BlockGraph.ResolveReference(image.Filename, Backing.Name);
        _snapshots = (image as IImageSnapshots)?.Snapshots ?? [];
        _specifics = image.DescribeSpecifics();
    }

    /// <summary>The backing image as the image names it; null where there is none.</summary>
    internal ImageReference? Backing { get; }

    /// <summary>What that means here; null where it means nothing.</summary>
    internal string? FullBackingName { get; }

    /// <summary>Looks at an image.</summary>
    internal static ImageInfo Of(ImageNode image) => new(image);

    /// <summary>The members of the JSON object.</summary>
    internal List<KeyValuePair<string, object>> ToMembers()
    {
        List<KeyValuePair<string, object>> members = [new("virtual-size", _lengthBytes), new("filename", _name), new("format", _format)];
        if (_allocatedBytes is long allocated) members.Add(new("actual-size", allocated));
        if (_clusterBytes > 0) members.Add(new("cluster-size", _clusterBytes));
        if (_isEncrypted) members.Add(new("encrypted", true));
        members.Add(new("dirty-flag", _isDirty));
        if (Backing is not null)
        {
            members.Add(new("backing-filename", Backing.Name));
            if (FullBackingName is not null) members.Add(new("full-backing-filename", FullBackingName));
            if (Backing.Format is not null) members.Add(new("backing-filename-format", Backing.Format));
        }
        if (_snapshots.Count > 0)
        {
            object[] snapshots = new object[_snapshots.Count];
            for (int i = 0; i < snapshots.Length; i++) snapshots[i] = MembersOf(_snapshots[i]);
            members.Add(new("snapshots", snapshots));
        }
        if (_specifics is not null) members.Add(new("format-specific", new KeyValuePair<string, object>[] { new("type", _format), new("data", _specifics) }));
        return members;
    }

    /// <summary>The lines for people.</summary>
    internal string ToText()
    {
        StringBuilder text = new();
        string disk = _allocatedBytes is long allocated ? HumanSize.Short(allocated) : "unavailable";
        text.Append(CultureInfo.InvariantCulture, $"image: {_name}\nfile format: {_format}\nvirtual size: {HumanSize.Short(_lengthBytes)} ({_lengthBytes} bytes)\ndisk size: {disk}\n");
        if (_isEncrypted) text.Append("encrypted: yes\n");
        if (_clusterBytes > 0) text.Append(CultureInfo.InvariantCulture, $"cluster_size: {_clusterBytes}\n");
        if (_isDirty) text.Append("cleanly shut down: no\n");
        if (Backing is not null)
        {
            text.Append(CultureInfo.InvariantCulture, $"backing file: {Backing.Name}");
            if (FullBackingName is null) text.Append(" (cannot determine actual path)");
            else if (FullBackingName != Backing.Name) text.Append(CultureInfo.InvariantCulture, $" (actual path: {FullBackingName})");
            text.Append('\n');
            if (Backing.Format is not null) text.Append(CultureInfo.InvariantCulture, $"backing file format: {Backing.Format}\n");
        }
        if (_snapshots.Count > 0) text.Append("Snapshot list:\n").Append(SnapshotTable.Of(_snapshots));
        if (_specifics is not null) text.Append(DescribeSpecifics(_specifics));
        return text.ToString();
    }

    /// <summary>The lines about what only the format has.</summary>
    internal static string DescribeSpecifics(IReadOnlyList<KeyValuePair<string, object>> specifics)
    {
        StringBuilder text = new("Format specific information:\n");
        AppendMembers(text, specifics, 1);
        return text.ToString();
    }

    private static KeyValuePair<string, object>[] MembersOf(ImageSnapshot snapshot)
    {
        List<KeyValuePair<string, object>> members =
        [
            new("id", snapshot.Id), new("name", snapshot.Name), new("vm-state-size", snapshot.VmStateBytes), new("date-sec", snapshot.DateSeconds),
            new("date-nsec", snapshot.DateNanoseconds), new("vm-clock-sec", snapshot.VmClockNanoseconds / 1_000_000_000),
            new("vm-clock-nsec", snapshot.VmClockNanoseconds % 1_000_000_000),
        ];
        if (snapshot.Icount >= 0) members.Add(new("icount", snapshot.Icount));
        return [.. members];
    }

    private static void AppendMembers(StringBuilder text, IReadOnlyList<KeyValuePair<string, object>> members, int depth)
    {
        foreach ((string name, object value) in DictionaryOrder.Sort(members)) AppendEntry(text, name.Replace('-', ' '), value, depth);
    }

    private static void AppendEntry(StringBuilder text, string name, object value, int depth)
    {
        text.Append(' ', depth * 4).Append(name).Append(':');
        switch (value)
        {
            case IReadOnlyList<KeyValuePair<string, object>> members:
                text.Append('\n');
                AppendMembers(text, members, depth + 1);
                break;
            case IReadOnlyList<object> items:
                text.Append('\n');
                for (int i = 0; i < items.Count; i++) AppendEntry(text, $"[{i}]", items[i], depth + 1);
                break;
            default:
                text.Append(CultureInfo.InvariantCulture, $" {(value is bool truth ? (truth ? "true" : "false") : value)}\n");
                break;
        }
    }
}
