using Hutch.Block.Graph;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>What every node does, for images of every shape.</summary>
public abstract class Qcow2Contract(string options) : BlockNodeContract
{
    protected override BlockNode Create() => Qcow2Images.OpenAsync(Qcow2Images.CreateAsync(LengthBytes, options).GetAwaiter().GetResult()).GetAwaiter().GetResult();
}

public sealed class Qcow2Default() : Qcow2Contract("");

public sealed class Qcow2Version2() : Qcow2Contract("compat=0.10,cluster_size=4k");

public sealed class Qcow2SmallestClusters() : Qcow2Contract("cluster_size=512");

public sealed class Qcow2LargestClusters() : Qcow2Contract("cluster_size=2M");

public sealed class Qcow2Subclusters() : Qcow2Contract("extended_l2=on,cluster_size=16k");

public sealed class Qcow2OneBitRefcounts() : Qcow2Contract("refcount_bits=1,cluster_size=512");

public sealed class Qcow2SixtyFourBitRefcounts() : Qcow2Contract("refcount_bits=64,cluster_size=512");

public sealed class Qcow2LazyRefcounts() : Qcow2Contract("lazy_refcounts=on,cluster_size=4k");

public sealed class Qcow2Preallocated() : Qcow2Contract("preallocation=metadata");

/// <summary>The data lies in another file.</summary>
public sealed class Qcow2DataFile : BlockNodeContract
{
    protected override BlockNode Create()
    {
        MemoryFile data = new(), file = Qcow2Images.CreateAsync(LengthBytes, "data_file=d,cluster_size=4k", new GivenFiles(data)).GetAwaiter().GetResult();
        return Qcow2Images.OpenAsync(file, references: new GivenReferences(data: data)).GetAwaiter().GetResult();
    }
}

/// <summary>An image over another that is shorter and has zeros.</summary>
public sealed class Qcow2Overlay : BlockNodeContract
{
    protected override BlockNode Create()
    {
        MemoryFile backing = new(new byte[LengthBytes / 2]), file = Qcow2Images.CreateAsync(LengthBytes, "backing_file=b,backing_fmt=raw,cluster_size=16k,extended_l2=on").GetAwaiter().GetResult();
        return Qcow2Images.OpenAsync(file, references: new GivenReferences(backing)).GetAwaiter().GetResult();
    }
}
