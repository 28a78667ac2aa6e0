using System;
using System.IO;
using Hutch.Cli;
using Hutch.Cli.Options;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Cli.Options;

public sealed class OptionTests
{
    private const ulong HostBytes = 16UL << 30;

    [Theory]
    [InlineData("512M", 512UL << 20)]
    [InlineData("512", 512UL << 20)]
    [InlineData("2G", 2UL << 30)]
    [InlineData("2GiB", 2UL << 30)]
    [InlineData("2gb", 2UL << 30)]
    [InlineData("65536K", 64UL << 20)]
    public void A_memory_size_has_a_binary_suffix_or_counts_mebibytes(string text, ulong bytes) => Assert.Equal(bytes, MemorySize.Parse(text, HostBytes));

    [Theory]
    [InlineData("", ExitStatus.Usage)]
    [InlineData("M", ExitStatus.Usage)]
    [InlineData("12X", ExitStatus.Usage)]
    [InlineData("-5M", ExitStatus.Usage)]
    [InlineData("1.5G", ExitStatus.Usage)]
    [InlineData("1K", ExitStatus.BadConfiguration)]
    [InlineData("0", ExitStatus.BadConfiguration)]
    [InlineData("17G", ExitStatus.BadConfiguration)]
    [InlineData("18446744073709551615T", ExitStatus.BadConfiguration)]
    public void A_bad_memory_size_is_one_sentence_that_names_it(string text, int status)
    {
        UserException error = Assert.Throws<UserException>(() => MemorySize.Parse(text, HostBytes));
        Assert.Equal(status, error.Status);
        Assert.StartsWith($"--memory '{text}': ", error.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("512M", 512UL << 20, 0UL)]
    [InlineData("512M,max=1G", 512UL << 20, 512UL << 20)]
    [InlineData("100M,max=101M", 100UL << 20, 128UL << 20)]
    [InlineData("1G,max=1G", 1UL << 30, 0UL)]
    public void Memory_may_grow_to_a_maximum(string text, ulong bytes, ulong pluggable) => Assert.Equal((bytes, pluggable), MemorySize.ParseGrowing(text, HostBytes));

    [Theory]
    [InlineData("1G,max=512M")]
    [InlineData("1G,most=2G")]
    [InlineData("1G,max=x")]
    [InlineData("1G,max=1G,max=1G")]
    [InlineData("1G,max=1000000G")]
    [InlineData(",max=1G")]
    public void A_bad_maximum_of_memory_is_refused(string text) => Assert.Throws<UserException>(() => MemorySize.ParseGrowing(text, HostBytes));

    [Fact]
    public void Cpus_are_a_number_of_packages_or_a_topology()
    {
        Assert.Equal((new CpuTopology(4, 1, 1), 0UL), CpuOptions.ParseTopology("4"));
        Assert.Equal((new CpuTopology(2, 3, 2), 0UL), CpuOptions.ParseTopology("sockets=2,cores=3,threads=2"));
        Assert.Equal((new CpuTopology(1, 4, 1), 0UL), CpuOptions.ParseTopology("cores=4"));
        Assert.Equal((new CpuTopology(8, 1, 1), 0b1111_1100UL), CpuOptions.ParseTopology("2,max=8"));
        Assert.Equal((new CpuTopology(1, 4, 2), 0b1111_1000UL), CpuOptions.ParseTopology("3,cores=4,threads=2"));
        Assert.Equal((new CpuTopology(1, 4, 1), 0UL), CpuOptions.ParseTopology("cores=4,max=4"));
        Assert.Equal((new CpuTopology(64, 1, 1), ulong.MaxValue - 1), CpuOptions.ParseTopology("1,max=64"));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("256")]
    [InlineData("x")]
    [InlineData("cores=0")]
    [InlineData("cores=4294967295,sockets=4294967295,threads=4294967295")]
    [InlineData("cores=2,books=2")]
    [InlineData("")]
    [InlineData("0,max=4")]
    [InlineData("5,max=4")]
    [InlineData("2,3")]
    [InlineData("2,max=2,max=3")]
    [InlineData("5,cores=4")]
    [InlineData("2,max=8,cores=4")]
    public void A_bad_number_of_cpus_is_refused(string text) => Assert.Equal(ExitStatus.Usage, Assert.Throws<UserException>(() => CpuOptions.ParseTopology(text)).Status);

    [Fact]
    public void A_cpu_model_carries_added_and_removed_features()
    {
        CpuModel model = CpuOptions.ParseModel("max,-avx2,aes=on,smep=off");
        Assert.Equal("max", model.Name);
        Assert.Equal("aes", Assert.Single(model.Added));
        Assert.Equal("avx2 smep", string.Join(" ", model.Removed));
    }

    [Theory]
    [InlineData("max,avx2")]
    [InlineData(",+avx2")]
    [InlineData("max,+")]
    public void A_bad_cpu_model_is_refused(string text) => Assert.Throws<UserException>(() => CpuOptions.ParseModel(text));

    [Fact]
    public void A_disk_has_a_path_in_which_a_doubled_comma_stands_for_one()
    {
        string path = Path.Combine(Path.GetTempPath(), $"a,b-{Guid.NewGuid():N}.img");
        File.WriteAllBytes(path, [0]);
        try
        {
            VirtioBlockConfig disk = DiskOption.Parse($"{path.Replace(",", ",,", StringComparison.Ordinal)},format=raw,readonly", "disk0", queues: 2, out _);
            Assert.Equal(new VirtioBlockConfig("disk0", new DiskConfig(path, "raw", ReadOnly: true), Queues: 2), disk);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_disk_has_options_for_its_image_and_its_device()
    {
        Assert.Equal(
            new VirtioBlockConfig("d", new DiskConfig("/dev/null", ReadOnly: false)
            {
                Cache = DiskCache.None, Aio = DiskAio.IoUring, Discard = true, DetectZeroes = DetectZeroes.Unmap, NoBacking = true, BytesPerSecond = 10 << 20, OperationsPerSecond = 500,
            }, Queues: 8, Serial: "A-1") { OnReadError = StorageErrorPolicy.Stop, OnWriteError = StorageErrorPolicy.Ignore },
            DiskOption.Parse("/dev/null,readonly=off,cache=none,aio=io_uring,discard=on,detect-zeroes=unmap,backing=off,bps=10M,iops=500,queues=8,serial=A-1,rerror=stop,werror=ignore", "d", 1, out _));
        Assert.Equal("nbd://host/export", DiskOption.Parse("nbd://host/export", "d", 1, out _).Disk.Path);
    }

    [Theory]
    [InlineData("10", "10")]
    [InlineData("+1k", "+1024")]
    [InlineData("20G", "21474836480")]
    [InlineData("1.5G", "1610612736")]
    public void A_new_size_is_in_bytes_for_the_machine(string text, string bytes) => Assert.Equal(bytes, DiskSize.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("-1G")]
    [InlineData("1GB")]
    [InlineData("9E9")]
    [InlineData("16E")]
    public void A_size_that_is_none_is_refused(string text) => Assert.Throws<UserException>(() => DiskSize.Parse(text));

    [Theory]
    [InlineData("/dev/null,cache=fast", "cache is one of none, writeback")]
    [InlineData("/dev/null,rerror=enospc", "rerror is one of report, stop, ignore")]
    [InlineData("/dev/null,queues=0", "queues is a number from 1 to 64")]
    [InlineData("/dev/null,serial=123456789012345678901", "1 to 20 characters")]
    [InlineData("/dev/null,readonly,snapshot=on", "leave one of them out")]
    [InlineData("/dev/null,discard=off,detect-zeroes=unmap", "leave one of them out")]
    [InlineData("/dev/null,cache=none,cache=none", "'cache' is there twice")]
    [InlineData("/dev/null,iops=many", "iops is a number")]
    [InlineData("/nonexistent/disk.img", "there is no such file")]
    [InlineData("/", "this is a directory")]
    [InlineData("", "the path is missing")]
    [InlineData("/dev/null,format=qcow9", "'qcow9' is not known")]
    [InlineData("/dev/null,sparse", "'sparse' is not known")]
    public void A_bad_disk_is_refused_with_its_cause(string text, string cause) =>
        Assert.Contains(cause, Assert.Throws<UserException>(() => DiskOption.Parse(text, "disk0", 1, out _)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_back_end_is_named_by_kind_and_path()
    {
        Assert.Equal(new CharacterBackend(CharacterBackendKind.Stdio), BackendOption.Parse("--serial", "stdio"));
        Assert.Equal(new CharacterBackend(CharacterBackendKind.None), BackendOption.Parse("--serial", "none"));
        Assert.Equal(new CharacterBackend(CharacterBackendKind.File, "/a/b"), BackendOption.Parse("--serial", "file:/a/b"));
        Assert.Equal(new CharacterBackend(CharacterBackendKind.Unix, "/a/b"), BackendOption.Parse("--serial", "unix:/a/b"));
        Assert.Equal(new CharacterBackend(CharacterBackendKind.Pty, "/a/b"), BackendOption.Parse("--serial", "pty:/a/b"));
        Assert.Throws<UserException>(() => BackendOption.Parse("--serial", "file:"));
        Assert.Throws<UserException>(() => BackendOption.Parse("--serial", "tty"));
    }

    [Fact]
    public void Devices_take_their_options()
    {
        Assert.Equal(new DebugExitConfig("debug-exit0"), DeviceOption.Parse("debug-exit", 0));
        Assert.Equal(new DebugExitConfig("x", 0x501, 2), DeviceOption.Parse("debug-exit,iobase=0x501,iosize=2,id=x", 0));
        Assert.Equal(new VirtioRngConfig("virtio-rng3"), DeviceOption.Parse("virtio-rng", 3));
        Assert.Equal(new TestDeviceConfig("test-dev1"), DeviceOption.Parse("test-dev", 1));
        Assert.Equal(new VirtioInputConfig("virtio-tablet1", VirtioInputKind.Tablet), DeviceOption.Parse("virtio-tablet", 1));
        Assert.Equal((VirtioInputKind.Keyboard, VirtioInputKind.Mouse), (Assert.IsType<VirtioInputConfig>(DeviceOption.Parse("virtio-keyboard", 0)).Kind, Assert.IsType<VirtioInputConfig>(DeviceOption.Parse("virtio-mouse", 0)).Kind));
        Assert.Equal(new VirtioGpuConfig("virtio-gpu0", 1280, 800), DeviceOption.Parse("virtio-gpu", 0));
        Assert.Equal(new VirtioGpuConfig("g", 3840, 64), DeviceOption.Parse("virtio-gpu,xres=3840,yres=64,id=g", 0));
        Assert.Equal(new VirtioVsockConfig("vsock4", 3, "/v"), DeviceOption.Parse("vsock,cid=3,path=/v", 4));
        Assert.Equal(new TpmCrbConfig("tpm-crb1", "/t"), DeviceOption.Parse("tpm-crb,path=/t", 1));
        Assert.Equal(new VhostUserFsConfig("vhost-user-fs5", "/f", "files"), DeviceOption.Parse("vhost-user-fs,path=/f,tag=files", 5));
        Assert.Equal(new VhostUserFsConfig("f", "/f", "files", 256), DeviceOption.Parse("vhost-user-fs,path=/f,tag=files,queue-size=256,id=f", 5));
        Assert.Equal(new VhostUserBlockConfig("vhost-user-blk6", "/b"), DeviceOption.Parse("vhost-user-blk,path=/b", 6));
        Assert.Equal(new VfioPciConfig("vfio-pci7", "0000:0a:1f.7"), DeviceOption.Parse("vfio-pci,host=0A:1f.7", 7));
        Assert.Equal(new VfioPciConfig("card", "0001:00:00.0", HasRom: false), DeviceOption.Parse("vfio-pci,host=0001:00:00.0,rom=off,id=card", 7));
        Assert.Equal(new VfioPciConfig("vfio-pci7", "0000:01:00.0", "/dev/null"), DeviceOption.Parse("vfio-pci,host=1:0.0,rom=/dev/null", 7));
        Assert.Equal(new SerialPortConfig("virtserialport2", "/a", "org.qemu.guest_agent.0"), Assert.Single(Assert.IsType<VirtioSerialConfig>(DeviceOption.Parse("virtserialport,name=org.qemu.guest_agent.0,path=/a", 2)).Ports));
        Assert.Equal(new SerialPortConfig("con", "/c", IsConsole: true), Assert.Single(Assert.IsType<VirtioSerialConfig>(DeviceOption.Parse("virtconsole,path=/c,id=con", 0)).Ports));
        Assert.Equal(new VirtioConsoleConfig("c", new CharacterBackend(CharacterBackendKind.File, "/x")), DeviceOption.Parse("virtio-console,id=c,backend=file:/x", 0));
    }

    [Theory]
    [InlineData("floppy", "there is no device of that name")]
    [InlineData("vsock,path=/a", "a vsock needs cid=N")]
    [InlineData("vsock,cid=2,path=/a", "from 3 to 4294967294")]
    [InlineData("vsock,cid=3", "a vsock needs path=PATH")]
    [InlineData("tpm-crb", "a TPM needs path=PATH")]
    [InlineData("vhost-user-fs,tag=a", "a vhost-user-fs needs path=PATH")]
    [InlineData("vhost-user-fs,path=/a", "a vhost-user-fs needs tag=NAME")]
    [InlineData("vhost-user-fs,path=/a,tag=", "a vhost-user-fs needs tag=NAME")]
    [InlineData("vhost-user-fs,path=/a,tag=0123456789012345678901234567890123456", "of 1 to 36 bytes")]
    [InlineData("vhost-user-fs,path=/a,tag=a,queue-size=100", "queue-size is a power of two from 16 to 1024")]
    [InlineData("vhost-user-fs,path=/a,tag=a,queue-size=8", "queue-size is a power of two from 16 to 1024")]
    [InlineData("vhost-user-blk", "a vhost-user-blk needs path=PATH")]
    [InlineData("vfio-pci", "a vfio-pci needs host=DDDD:BB:DD.F")]
    [InlineData("vfio-pci,host=0000:01:20.0", "a vfio-pci needs host=DDDD:BB:DD.F")]
    [InlineData("vfio-pci,host=01:00.8", "a vfio-pci needs host=DDDD:BB:DD.F")]
    [InlineData("vfio-pci,host=01:00:1", "a vfio-pci needs host=DDDD:BB:DD.F")]
    [InlineData("vfio-pci,host=../../x:0.0", "a vfio-pci needs host=DDDD:BB:DD.F")]
    [InlineData("virtio-gpu,xres=63", "xres is a number of pixels from 64 to 3840")]
    [InlineData("virtio-gpu,yres=2161", "yres is a number of pixels from 64 to 2160")]
    [InlineData("virtserialport,path=/a", "a port needs the name")]
    [InlineData("virtserialport,name=a", "a port needs path=PATH")]
    [InlineData("virtserialport,path=/a,name=a/b", "the name of a port has 1 to 63 letters")]
    [InlineData("virtio-rng,speed=5", "has no option 'speed'")]
    [InlineData("virtio-rng,speed", "is not of the form option=value")]
    [InlineData("debug-exit,iobase=65536", "iobase is a number from 1 to 65535")]
    [InlineData("debug-exit,id=a,id=b", "is there twice")]
    public void A_bad_device_is_refused_with_its_cause(string text, string cause) =>
        Assert.Contains(cause, Assert.Throws<UserException>(() => DeviceOption.Parse(text, 0)).Message, StringComparison.Ordinal);
}
