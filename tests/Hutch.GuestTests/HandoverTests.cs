using System;
using System.Buffers.Binary;
using System.IO;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>A guest that begins on a KVM which interprets ring 0 and ends on the software engine.</summary>
public sealed class HandoverTests : IDisposable
{
    private const uint Load = 0x100000;
    private const int Entry = 32 + 5;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [InterpretingKvmTheory]
    [InlineData("1")]
    [InlineData("2")]
    public async Task A_guest_goes_on_where_kvm_gave_up(string cpus)
    {
        (int status, _, string errors) = await Launcher.Run("run", "--engine", "kvm", "--cpus", cpus, "--kernel", Multiboot.Write(_folder, Program()), "--serial", "none", "--device", "debug-exit");
        string[] lines = errors.TrimEnd('\n').Split('\n');
        Assert.Equal(2, lines.Length);
        Assert.Contains("Engine: kvm as you asked, but it is unfit (", lines[0], StringComparison.Ordinal);
        Assert.Matches(@"Engine: software from here on \(vCPU 0 cannot go on: KVM cannot execute the instruction 660f.* at RIP 0x10", lines[1]);
        // The guest compared its result itself: (21 << 1) | 1, and 99 where it was wrong.
        Assert.Equal(43, status);
    }

    [InterpretingKvmFact]
    public async Task A_guest_whose_cpu_the_software_engine_cannot_give_stops_with_the_instruction()
    {
        (int status, _, string errors) = await Launcher.Run("run", "--engine", "kvm", "--cpu", "max,+kvm-steal-time", "--kernel", Multiboot.Write(_folder, Program()), "--serial", "none", "--device", "debug-exit");
        Assert.Equal(3, status);
        Assert.Matches(@"KVM cannot execute the instruction 660f.* at RIP 0x10.*could not be handed over: .*kvm-steal-time", errors);
    }

    // Its own GDT and IDT; a sum that both engines must agree on, then SSE2 and int3, which an interpreting KVM does not know; the result to port 0xf4.
    private static byte[] Program()
    {
        byte[] code =
        [
            0x0f, 0x01, 0x15, 0, 0, 0, 0,                   // lgdt [patched at 3]
            0x0f, 0x01, 0x1d, 0, 0, 0, 0,                   // lidt [patched at 10]
            0xea, 0, 0, 0, 0, 8, 0,                         // jmp 8:next [patched at 15]
            0x66, 0xb8, 0x10, 0, 0x8e, 0xd8, 0x8e, 0xd0, 0x8e, 0xc0,    // mov ax, 16; mov ds, ax; mov ss, ax; mov es, ax
            0x31, 0xc0, 0xb9, 0x20, 0x4e, 0, 0,             // xor eax, eax; mov ecx, 20000
            0x01, 0xc8, 0x49, 0x75, 0xfb,                   // add eax, ecx; dec ecx; jnz
            0x0f, 0x20, 0xe1, 0x81, 0xc9, 0, 6, 0, 0, 0x0f, 0x22, 0xe1, // cr4 |= OSFXSR | OSXMMEXCPT
            0x66, 0x0f, 0x6e, 0xc0, 0x66, 0x0f, 0xfe, 0xc0, 0x66, 0x0f, 0x7e, 0xc0,     // movd xmm0, eax; paddd xmm0, xmm0; movd eax, xmm0
            0xcc, 0x3d, 0x21, 0xd2, 0xd7, 0x17,             // int3; cmp eax, 2 * 20000 * 20001 / 2 + 1
            0x75, 7, 0xb8, 21, 0, 0, 0, 0xe7, 0xf4,         // jne wrong; mov eax, 21; out 0xf4, eax
            0xb8, 99, 0, 0, 0, 0xe7, 0xf4, 0xf4,            // wrong: mov eax, 99; out 0xf4, eax; hlt
            0x40, 0xcf,                                     // the breakpoint's handler: inc eax; iret
        ];
        int handler = code.Length - 2, tables = (code.Length + 7) & ~7, idt = tables + 24, pointers = idt + 32;
        byte[] image = new byte[pointers + 12];
        code.CopyTo(image, 0);
        void Put32(int at, int place) => BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(at), Load + Entry + (uint)place);
        Put32(3, pointers);
        Put32(10, pointers + 6);
        Put32(15, 21);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(tables + 8), 0x00cf_9b00_0000_ffff);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(tables + 16), 0x00cf_9300_0000_ffff);
        uint address = Load + Entry + (uint)handler;
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(idt + 24), (address & 0xffff) | 8UL << 16 | 0x8e00UL << 32 | (ulong)(address >> 16) << 48);
        image[pointers] = 23;
        Put32(pointers + 2, tables);
        image[pointers + 6] = 31;
        Put32(pointers + 8, idt);
        return image;
    }

    internal static string? WhyNot =>
        !DoctorTests.CanOpen("/dev/kvm") ? "There is no /dev/kvm that this user may open."
        : !Directory.Exists("/sys/module/kvm_pvm") ? "This host's KVM executes ring 0 and gives nothing up."
        : null;
}

/// <summary>A test that needs a KVM which gives instructions up.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class InterpretingKvmFactAttribute : FactAttribute
{
    public InterpretingKvmFactAttribute() => Skip = HandoverTests.WhyNot;
}

/// <summary>The same, with cases.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class InterpretingKvmTheoryAttribute : TheoryAttribute
{
    public InterpretingKvmTheoryAttribute() => Skip = HandoverTests.WhyNot;
}
